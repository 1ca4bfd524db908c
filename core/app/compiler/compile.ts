import type { Clock } from "../../base/mod.ts";
import { compile, isRunnable, loadDirectory, loadModules, type ModuleSources, readBeside } from "../../compile/mod.ts";
import { type Cidr, inOrder } from "../../config/mod.ts";
import { type Resource, serviceFor } from "../../snapshot/mod.ts";
import type { CompiledDirectory } from "./model.ts";

export interface CompilingOptions {
  readonly builtins: Pick<ModuleSources, "builtin" | "builtinNames">;
  readonly clock: Clock;
  /** Where Gateways get their addresses from; nobody remembers here, so that the same files give the same ones. */
  readonly gatewayAddresses?: Cidr | null;
}

/** Compiles a directory with the control plane's code, in this process. */
export async function compileDirectory(directory: string, options: CompilingOptions): Promise<CompiledDirectory> {
  const { builtins, clock, gatewayAddresses: pool = null } = options;
  const loaded = await loadDirectory(directory);
  const { modules, problems } = await loadModules(loaded.documents, { ...builtins, readFile: readBeside });
  const compiled = compile(loaded.documents, [], { modules, now: clock.now(), gatewayAddresses: { pool } });
  const all = inOrder([...loaded.problems, ...problems, ...compiled.problems]);
  if (!isRunnable({ problems: all })) return { resources: [], blobs: new Map(), problems: all };
  return { resources: compiled.resources.map(forEverybody), blobs: compiled.blobs, problems: all };
}

/** Whoever serves from files is of no namespace: rules for the callers of one are not for it. */
function forEverybody(resource: Resource): Resource {
  return resource.kind === "service" ? { ...resource, model: serviceFor(resource.model, "") } : resource;
}
