/**
 * The life of a request: `serve.ts` is the page.
 * @module
 */
export { AddedLines } from "./added.ts";
export { Egress, type Resolve } from "./egress.ts";
export { MeshExchange } from "./exchange.ts";
export { DiscoveryUnavailable } from "./failure.ts";
export { Serving } from "./flow.ts";
export { gatewayWay } from "./gateway-way.ts";
export type { Mesh } from "./mesh.ts";
export { Recorder, type Self } from "./record.ts";
export { RequestIds } from "./request-id.ts";
export { DEFAULT_WAITS, type Waits } from "./timing.ts";
export { forwardWay, inboundWay, serviceWay, type Way } from "./way.ts";
