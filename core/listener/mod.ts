/**
 * Bound addresses: accept, sniff, handshake → a connection whose peer is known.
 * @module
 */
export { assertFree } from "./assert-free.ts";
export {
  type DatagramListener,
  type DatagramPeer,
  listenDatagrams,
  openPeer,
} from "./datagrams.ts";
export {
  type ConnectionLimit,
  type Listener,
  ListenFailed,
  type ListenOptions,
  listen,
  type ServerTls,
} from "./listen.ts";
export { type Agreed, type UpgradeOptions, upgrade } from "./upgrade.ts";
export { type ConnectionFacts, type Direction, handOver, socketHandlers, type Wire, type WireOwner } from "./wire.ts";
