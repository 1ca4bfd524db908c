import type { Resource, ResourceKey } from "../snapshot/mod.ts";

/**
 * What proxies and the control plane say to each other, read by both ends.
 *
 * A connection carries frames: 4 bytes length of what follows (big endian),
 * 1 byte type, then JSON or bytes. The first frame of the proxy is `hello`,
 * answered by `welcome`; then one of three conversations:
 *
 *   trust   (nobody verified yet)  getBundle → bundle
 *   join    (server verified)      join → svid
 *   stream  (both verified)        subscribe → update…, ack/nack, want, drop, renew, fetch, register, withdraw,
 *                                  measure → measured…
 *
 * Either end may send `ping` at any time and must answer `pong`. `failure`
 * says why and is followed by the end of the connection.
 */
export const Frame = {
  Ping: 1,
  Pong: 2,
  Failure: 3,
  Hello: 4,
  Welcome: 5,
  GetBundle: 10,
  Bundle: 11,
  Join: 12,
  Svid: 13,
  Subscribe: 20,
  Update: 21,
  Ack: 22,
  Nack: 23,
  Want: 24,
  Drop: 25,
  Renew: 26,
  Fetch: 27,
  Chunk: 28,
  Withdraw: 29,
  Withdrawn: 30,
  Register: 31,
  Measure: 32,
  Measured: 33,
  Gateways: 34,
} as const;
export type Frame = (typeof Frame)[keyof typeof Frame];

/** Versions of this protocol that this build speaks, the best first. */
export const PROTOCOLS: readonly number[] = [1];

/** ALPN name of the stream: nothing else answers on its port. */
export const CONTROL_ALPN = "mesh/control";

/** Path of the control plane's SPIFFE ID in any trust domain. */
export const CONTROL_PATH = "/mesh/control";

/** Longest frame a proxy may send before it has proved who it is. */
export const MAX_GREETING_BYTES = 16 * 1024;
/** Longest answer a proxy takes before it is in: a bundle of roots, a chain. */
export const MAX_GREETING_ANSWER_BYTES = 256 * 1024;
/** Longest frame a known proxy may send: a subscription with every version it holds. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Longest frame a proxy takes: the largest single resource with room to spare. */
export const MAX_UPDATE_BYTES = 16 * 1024 * 1024;
/** An update is cut into frames of about this size, so that pings pass in between. */
export const UPDATE_PART_BYTES = 256 * 1024;
/** Bytes of a plugin in one frame. */
export const CHUNK_BYTES = 64 * 1024;
/** Largest plugin that is fetched. */
export const MAX_BLOB_BYTES = 16 * 1024 * 1024;
/** Hosts one proxy may be subscribed to. */
export const MAX_HOSTS = 4096;

export interface Hello {
  readonly protocols: readonly number[];
  /** Version of the proxy's build, for `mesh status`. */
  readonly software: string;
}

export interface Welcome {
  readonly protocol: number;
  readonly software: string;
  readonly timing: LinkTiming;
}

/** How both ends of a connection watch each other; the control plane decides. */
export interface LinkTiming {
  /** A silent link is pinged this often. */
  readonly pingMs: number;
  /** A link that brought nothing for so long is dead. */
  readonly deadMs: number;
}

export interface BundleMessage {
  readonly trustDomain: string;
  /** Roots, PEM. */
  readonly bundle: string;
}

export interface JoinMessage {
  readonly tokenId: string;
  readonly secret: string;
  /** PKCS #10, PEM. */
  readonly csr: string;
}

export interface RenewMessage {
  /** Echoed in the answer. */
  readonly id: number;
  readonly csr: string;
}

export interface SvidMessage {
  readonly id: number;
  /** Leaf, then intermediates, PEM. */
  readonly certificate: string;
  readonly bundle: string;
}

/** What a gateway proxy has bound, after every change of it. */
export interface GatewaysMessage {
  readonly gateways: readonly GatewayReport[];
}

/** One Gateway at one proxy. */
export interface GatewayReport {
  /** `<namespace>/<name>` */
  readonly name: string;
  /** IP addresses its listeners are bound to there; 0.0.0.0 and :: for all of the machine. */
  readonly addresses: readonly string[];
  /** Ports of its listeners that cannot be served there, and why. */
  readonly problems: readonly { readonly port: number; readonly address: string; readonly problem: string }[];
}

/** What a proxy says of the workload it stands beside; believed only as far as its identity goes. */
export interface WorkloadClaim {
  readonly name: string;
  readonly namespace: string;
  /** Name of the Service it serves, in its own namespace. */
  readonly service: string;
  readonly address: string;
  readonly ports: readonly PortClaim[];
  readonly labels: Readonly<Record<string, string>>;
  /** 0: it is known, and nobody is to call it: not yet, or no more. */
  readonly weight: number;
}

export interface PortClaim {
  /** Port of the app, which is also the port callers name. */
  readonly port: number;
  readonly name: string;
  readonly protocol: "http" | "tcp";
  /** Port on which the proxy takes mutual TLS for it. */
  readonly inboundPort: number;
}

export interface Subscribe {
  /** Names this proxy among those of its identity; kept on its disk. */
  readonly proxy: string;
  readonly workload: WorkloadClaim | null;
  /** Hosts whose services are wanted from the start: pinned and learned. */
  readonly hosts: readonly string[];
  /** `<namespace>/<name>` of the Gateways it serves; "*" for all. Left out: none. */
  readonly gateways?: readonly string[];
  /** What the proxy runs already, from its disk or from an earlier stream: versions by key. */
  readonly held: Readonly<Record<ResourceKey, string>>;
  readonly revision: string;
}

/** A part of a change. The proxy applies it when the last part is in, as a whole. */
export interface Update {
  /** Counts the updates of a stream; `ack` and `nack` name it. */
  readonly id: number;
  readonly revision: string;
  readonly last: boolean;
  readonly resources: readonly Resource[];
  readonly removed: readonly ResourceKey[];
  /** What the hosts of the subscription mean: `<namespace>/<name>`, or null: no such service. */
  readonly hosts: Readonly<Record<string, string | null>>;
}

export interface Ack {
  readonly id: number;
}

export interface Nack {
  readonly id: number;
  readonly reasons: readonly string[];
}

export interface HostsMessage {
  readonly hosts: readonly string[];
}

export interface Fetch {
  readonly sha256: string;
  readonly offset: number;
}

/** Head of a chunk frame: total size and offset, 4 bytes each; then the bytes. */
export const CHUNK_HEAD_BYTES = 8;

/** The workload again, as it is now: it takes calls, or has other labels. */
export interface Register {
  readonly workload: WorkloadClaim;
}

export interface Withdraw {
  /** How long the control plane may wait for those who hold the endpoint. */
  readonly deadlineMs: number;
}

export interface Withdrawn {
  /** Proxies that had not confirmed when the deadline came. */
  readonly laggards: readonly string[];
}

/** The clusters whose requests are to be counted from now on, in place of those before. */
export interface Measure {
  readonly clusters: readonly string[];
  /** How often they are to be told. */
  readonly everyMs: number;
}

/** What a proxy has counted of a cluster since it began; it never falls on one stream. */
export interface ClusterCounts {
  readonly successes: number;
  readonly failures: number;
  /** Requests by duration, one number for each of `CLUSTER_MS_BOUNDS` and one above. */
  readonly durations: readonly number[];
}

export interface Measured {
  readonly clusters: Readonly<Record<string, ClusterCounts>>;
}

/** Why a connection ends; the code is for programs, the message for people. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
}

export type FailureCode =
  /** No common protocol version. */
  | "protocol"
  /** The frame cannot be read or does not belong here. */
  | "malformed"
  /** Token unknown, used up, expired or bound to someone else: trying again changes nothing. */
  | "token"
  /** The certificate does not let its owner do this. */
  | "identity"
  /** The control plane is stopping, or a newer stream of the same proxy took over. */
  | "going"
  /** The control plane could not do it now. */
  | "unavailable";
