import type { Cluster } from "../cluster/mod.ts";
import type { MirrorModel } from "./model.ts";

/** A share of a rule's requests that another cluster sees too. Immutable. */
export class Mirror {
  readonly cluster: Cluster;
  /** As the author wrote it. */
  readonly name: string;
  readonly fraction: number;
  /** What it answers is compared with the first's. */
  readonly compare: boolean;

  constructor({ name, fraction }: MirrorModel, cluster: Cluster, compare: boolean) {
    this.cluster = cluster;
    this.name = name;
    this.fraction = fraction;
    this.compare = compare;
  }
}

const NONE: readonly Mirror[] = Object.freeze([]);

/** The rule's and then the backend's; a broken reference sends nothing. */
export function compileMirrors(
  models: readonly MirrorModel[],
  compare: boolean,
  clusterNamed: (name: string) => Cluster | null,
): readonly Mirror[] {
  const found = models.flatMap((model) => {
    const cluster = model.cluster === null ? null : clusterNamed(model.cluster);
    return cluster === null ? [] : [new Mirror(model, cluster, compare)];
  });
  return found.length === 0 ? NONE : Object.freeze(found);
}
