/**
 * The side doors of a process: operator, health, metrics, each on its own listener.
 * @module
 */
export { DoorUnavailable } from "./door.ts";
export { AdminExposed } from "./guard.ts";
export type { AdminSources, CertificateFacts, ClusterFacts, EndpointFacts } from "./source.ts";
export { type Admin, type AdminOptions, startAdmin } from "./start.ts";
