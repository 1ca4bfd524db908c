/**
 * Connections whose content is not read: bytes copied between two of them, and
 * the little that a TLS client says in the open.
 * @module
 */
export { type ClientHello, type Hello, readClientHello } from "./client-hello.ts";
export { Ending, REACHED, Relay, type RelayOwner, type RelaySettings } from "./relay.ts";
export type { Side } from "./side.ts";
