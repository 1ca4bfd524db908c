import { MeshError } from "../../base/mod.ts";

/** The stations of loading a plugin, in order. */
export type LoadStep =
  | "fetch"
  | "hash"
  | "size"
  | "validate"
  | "imports"
  | "exports"
  | "meter"
  | "compile"
  | "instantiate"
  | "configure"
  | "self-test";

/** Why one plugin cannot be loaded, and where it got stuck. */
export interface PluginProblem {
  readonly plugin: string;
  readonly step: LoadStep;
  readonly reason: string;
}

/** Plugins of a new configuration cannot be loaded; what runs goes on as it is. */
export class PluginRejected extends MeshError {
  override readonly name = "PluginRejected";
  readonly code = "MESH_PLUGIN_REJECTED";
  readonly source = "mesh";
  readonly problems: readonly PluginProblem[];

  constructor(problems: readonly PluginProblem[]) {
    super(problems.map((p) => `Cannot load plugin "${p.plugin}" at ${p.step}: ${p.reason}`).join("; "));
    this.problems = problems;
  }
}

/** Thrown while one plugin is loaded; the engine gathers them. */
export class StuckAt extends Error {
  override readonly name = "StuckAt";
  readonly step: LoadStep;

  constructor(step: LoadStep, reason: string) {
    super(reason);
    this.step = step;
  }
}
