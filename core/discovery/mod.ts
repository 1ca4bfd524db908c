/**
 * The proxy's end of the stream: subscribe, check, swap or keep, ACK or NACK.
 * The protocol and the link, which both ends read, live here too.
 * @module
 */
export { type ControlAddress, ControlUnreachable } from "./dial.ts";
export {
  DISCOVERY_TIMING,
  type Discovery,
  type DiscoveryOptions,
  type DiscoveryState,
  type DiscoveryTiming,
  startDiscovery,
} from "./discovery.ts";
export { JoinRefused } from "./enrol.ts";
export { BadFrame } from "./framing.ts";
export { HostUnanswered } from "./hosts.ts";
export { Link, LinkLost, type LinkReader, type LinkSocket, PeerFailure, readJson } from "./link.ts";
export type { DataPlane, Source } from "./model.ts";
export {
  type Ack,
  type BundleMessage,
  CHUNK_BYTES,
  CHUNK_HEAD_BYTES,
  type ClusterCounts,
  CONTROL_ALPN,
  type FailureCode,
  type Fetch,
  Frame,
  type GatewayReport,
  type GatewaysMessage,
  type Hello,
  type HostsMessage,
  type JoinMessage,
  type LinkTiming,
  MAX_BLOB_BYTES,
  MAX_GREETING_BYTES,
  MAX_HOSTS,
  MAX_REQUEST_BYTES,
  type Measure,
  type Measured,
  type Nack,
  type PortClaim,
  PROTOCOLS,
  type Register,
  type RenewMessage,
  type Subscribe,
  type SvidMessage,
  UPDATE_PART_BYTES,
  type Update,
  type Welcome,
  type Withdraw,
  type Withdrawn,
  type WorkloadClaim,
} from "./protocol.ts";
export { BadBlob } from "./stream.ts";
export { BadToken, formatJoinToken, type JoinToken, parseJoinToken } from "./token.ts";
