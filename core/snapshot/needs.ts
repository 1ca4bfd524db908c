import { MeshError } from "../base/mod.ts";
import type { Cluster } from "../cluster/mod.ts";
import type { Plugin } from "../plugin/mod.ts";
import type { PathScan } from "../route/mod.ts";
import type { MeshModel } from "./model.ts";

/** What the parts of one snapshot are made of, and what was wrong with them. */
export interface Material {
  readonly mesh: MeshModel;
  /** Of the workload beside this proxy: whose rules for consumers hold here. Null for an edge proxy. */
  readonly namespace: string | null;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly plugins: ReadonlyMap<string, Plugin>;
  readonly scan: PathScan;
  readonly reasons: string[];
}

const NO_POLICIES: readonly Plugin[] = Object.freeze([]);

/**
 * What one part of a snapshot took from the material. As long as its version
 * and this are the same, the next snapshot may keep the part as it is.
 */
export class Needs {
  readonly #requestTimeoutMs: number;
  readonly #trustDomain: string;
  readonly #namespace: string | null;
  readonly #clusters = new Map<string, Cluster | undefined>();
  readonly #plugins = new Map<string, Plugin | undefined>();

  constructor(material: Material) {
    this.#requestTimeoutMs = material.mesh.requestTimeoutMs;
    this.#trustDomain = material.mesh.trustDomain;
    this.#namespace = material.namespace;
  }

  /** A cluster by name; a missing one is a reason against the snapshot. */
  cluster(name: string, where: string, { clusters, reasons }: Material): Cluster | null {
    const cluster = clusters.get(name);
    this.#clusters.set(name, cluster);
    if (cluster === undefined) reasons.push(`${where} refers to the cluster "${name}", which is not there`);
    return cluster ?? null;
  }

  /** Plugins by id, in order; a missing one is a reason against the snapshot. */
  policies(ids: readonly string[], where: string, { plugins, reasons }: Material): readonly Plugin[] {
    if (ids.length === 0) return NO_POLICIES;
    const found = ids.map((id) => {
      const plugin = plugins.get(id);
      this.#plugins.set(id, plugin);
      if (plugin === undefined) reasons.push(`${where} refers to the plugin "${id}", which is not there`);
      return plugin;
    });
    return Object.freeze(found.filter((plugin) => plugin !== undefined));
  }

  areMetBy(material: Material): boolean {
    if (this.#requestTimeoutMs !== material.mesh.requestTimeoutMs) return false;
    if (this.#trustDomain !== material.mesh.trustDomain || this.#namespace !== material.namespace) return false;
    for (const [name, cluster] of this.#clusters) if (material.clusters.get(name) !== cluster) return false;
    for (const [id, plugin] of this.#plugins) if (material.plugins.get(id) !== plugin) return false;
    return true;
  }
}

/** Makes a part; what is wrong with it is a reason against the snapshot. Null then. */
export function attempt<T>(where: string, reasons: string[], make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    reasons.push(`${where}: ${error.message}`);
    return null;
  }
}
