import type { Resource, ResourceKey } from "../snapshot/mod.ts";

/** One compiled revision, indexed for distribution. Immutable. */
export interface Published {
  /** `<sequence>-<first 8 hex digits of the content hash>` */
  readonly revision: string;
  readonly resources: ReadonlyMap<ResourceKey, Resource>;
  /** Every authority host that means a service → `<namespace>/<name>`. */
  readonly hosts: ReadonlyMap<string, string>;
  /** Monotonic time of publishing, for convergence. */
  readonly at: number;
}

/** Number before the dash of a revision; -1 for text that is none. */
export function sequenceOf(revision: string): number {
  const digits = /^(\d+)-[0-9a-f]{8}$/.exec(revision);
  return digits === null ? -1 : Number(digits[1]);
}

/** The service that a host means: its own name, else the longest wildcard above it; null without one. */
export function serviceAt({ hosts }: Pick<Published, "hosts">, host: string): string | null {
  let found = hosts.get(host);
  for (let dot = host.indexOf("."); found === undefined && dot >= 0; dot = host.indexOf(".", dot + 1))
    if (dot > 0) found = hosts.get(`*${host.slice(dot)}`);
  return found ?? null;
}

export function keyOf(resource: Resource): ResourceKey {
  return `${resource.kind}/${resource.name}`;
}

/**
 * Names a content: the same resources have the same hash, whatever their
 * order, and so the same digits in their revision.
 */
export function contentHash(resources: Iterable<Resource>): string {
  const lines = [...resources].map((resource) => `${keyOf(resource)}@${resource.version}`).sort();
  return new Bun.CryptoHasher("sha256").update(lines.join("\n")).digest("hex").slice(0, 8);
}

export function publish(revision: string, resources: readonly Resource[], at: number): Published {
  const hosts = new Map<string, string>();
  for (const resource of resources)
    if (resource.kind === "service") for (const host of resource.model.hosts) hosts.set(host, resource.name);
  return Object.freeze({ revision, resources: new Map(resources.map((r) => [keyOf(r), r])), hosts, at });
}
