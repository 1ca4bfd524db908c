import type { Cluster, Endpoint } from "../cluster/mod.ts";
import { HostTable } from "../route/mod.ts";
import type { Gateway } from "./gateway.ts";
import type { MeshModel } from "./model.ts";
import type { Service } from "./service.ts";
import type { Workload } from "./workload.ts";

/** What a snapshot is made of. */
export interface SnapshotParts {
  readonly revision: string;
  readonly mesh: MeshModel;
  readonly workload: Workload | null;
  readonly services: ReadonlyMap<string, Service>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly hosts: HostTable<Service>;
}

/** One immutable whole of what a proxy decides by. A request reads one for its whole life. */
export class Snapshot {
  readonly revision: string;
  readonly revisionBytes: Buffer;
  readonly mesh: MeshModel;
  /** The app beside this proxy; null for an edge proxy, and before the first snapshot. */
  readonly workload: Workload | null;
  readonly services: ReadonlyMap<string, Service>;
  /** Clusters of services by name; those of the app are in the workload. */
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** Those that this proxy runs. */
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly hosts: HostTable<Service>;
  /** Clusters by the authorities of their endpoints; made when somebody asks. */
  #byAuthority: ReadonlyMap<string, Cluster> | null = null;

  constructor(parts: SnapshotParts) {
    this.revision = parts.revision;
    this.revisionBytes = Buffer.from(parts.revision, "utf8");
    this.mesh = parts.mesh;
    this.workload = parts.workload;
    this.services = parts.services;
    this.clusters = parts.clusters;
    this.gateways = parts.gateways;
    this.hosts = parts.hosts;
    Object.freeze(this);
  }

  /** The service that a host in `bytes[start, end)` means, in any case, also with a dot at its end; no port. */
  lookupHost(bytes: Buffer, start: number, end: number): Service | null {
    return this.hosts.get(bytes, start, end);
  }

  /** By `<namespace>/<name>`. */
  serviceNamed(name: string): Service | null {
    return this.services.get(name) ?? null;
  }

  clusterNamed(name: string): Cluster | null {
    return this.clusters.get(name) ?? null;
  }

  /** The endpoint at an address, as a cluster of its own: who names it takes no route. */
  endpointAt(authority: string): Cluster | null {
    this.#byAuthority ??= new Map(
      [...this.clusters.values()].flatMap((cluster) => cluster.endpoints.map((each) => [each.authority, cluster])),
    );
    return this.#byAuthority.get(authority)?.only(authority) ?? null;
  }

  /** By `<namespace>/<name>`. */
  gatewayNamed(name: string): Gateway | null {
    return this.gateways.get(name) ?? null;
  }

  /** Every endpoint, the app's too: pools of others may go. */
  *endpoints(): Generator<Endpoint> {
    for (const cluster of this.clusters.values()) yield* cluster.endpoints;
    for (const port of this.workload?.ports ?? []) yield port.endpoint;
  }
}

/** What holds before the first mesh resource has come: nothing in, nothing out to strangers. */
export const INITIAL_MESH: MeshModel = Object.freeze({
  trustDomain: "cluster.local",
  trustDomainAliases: Object.freeze([]),
  mtls: "STRICT",
  egress: "REGISTRY_ONLY",
  requestTimeoutMs: 15_000,
});

/** The snapshot of a proxy that has none yet: it knows nobody. */
export function emptySnapshot(): Snapshot {
  return new Snapshot({
    revision: "0-00000000",
    mesh: INITIAL_MESH,
    workload: null,
    services: new Map(),
    clusters: new Map(),
    gateways: new Map(),
    hosts: new HostTable<Service>([], 0),
  });
}
