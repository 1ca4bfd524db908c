/**
 * The life of a request: `serve.ts` is the page.
 * @module
 */
export { AddedLines } from "./added.ts";
export { AwaitedAnswer } from "./awaited-answer.ts";
export { BYTES_PROTOCOL, Connection, type ConnectionOptions, NO_WORDS, type Words } from "./connection.ts";
export { ConnectionRecorder } from "./connection-record.ts";
export { Connections } from "./connections.ts";
export { gatewayDatagrams, serviceDatagrams } from "./datagram-way.ts";
export { Datagrams, type DatagramWay } from "./datagrams.ts";
export type { Self } from "./edges.ts";
export { Egress, type Resolve } from "./egress.ts";
export { MeshExchange } from "./exchange.ts";
export { DiscoveryUnavailable, MethodRefused } from "./failure.ts";
export { Serving } from "./flow.ts";
export { gatewayWay } from "./gateway-way.ts";
export type { Mesh } from "./mesh.ts";
export { CONNECT_WORDS } from "./passage-words.ts";
export { Recorder } from "./record.ts";
export { RequestIds } from "./request-id.ts";
export { DEFAULT_WAITS, type Waits } from "./timing.ts";
export { TrustedProxies } from "./trusted-proxies.ts";
export { forwardWay, inboundWay, serviceWay, type Taking, type Way } from "./way.ts";
