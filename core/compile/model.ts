import type { Labels, Problem } from "../config/mod.ts";
import type { Resource } from "../snapshot/mod.ts";
import type { AddressBook } from "./gateway/address.ts";
import type { DocumentStatus } from "./status.ts";

/** A workload that its own proxy has announced: what a Workload document says, and known to be alive. */
export interface Registration {
  readonly name: string;
  readonly namespace: string;
  /** Service it belongs to, in its namespace; empty for a workload that only calls others. */
  readonly service: string;
  /** IP literal at which other proxies reach its proxy. */
  readonly address: string;
  readonly ports: readonly RegisteredPort[];
  readonly labels: Labels;
  /** SPIFFE ID its proxy proves. */
  readonly identity: string;
  readonly weight: number;
  /** When it was last heard of, ms since the epoch. */
  readonly confirmedAt?: number;
}

export interface RegisteredPort {
  /** Port of the app. */
  readonly port: number;
  readonly name?: string;
  readonly protocol?: string;
  /** Port on which its proxy takes what is meant for the app. */
  readonly inboundPort: number;
}

/** The bytes of a plugin, under the hash of what they are. */
export interface Module {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  /** What an Extism manifest sets beside its module; the Plugin's own config wins. */
  readonly config?: Readonly<Record<string, string>>;
  /** What must be kept to load it again without the files it came from. Left out: the bytes. */
  readonly source?: Uint8Array;
}

/** What documents and registrations mean to proxies. */
export interface Compiled {
  /** Sorted by kind and name; the same input gives the same list. */
  readonly resources: readonly Resource[];
  /** Modules of the plugins by SHA-256. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** With an error among them nothing of this may replace what runs. */
  readonly problems: readonly Problem[];
  /** `.status` of every document that has one, sorted by kind, namespace and name. */
  readonly statuses: readonly DocumentStatus[];
  /** What every Gateway has of the pool of addresses. */
  readonly gatewayAddresses: AddressBook;
}
