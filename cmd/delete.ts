import type { ControlClient, DeleteResult } from "../core/control/client/mod.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { kindOf, namespaceFlag, namespaceFor } from "./kind.ts";
import { loadManifests, manifestFlag } from "./manifest.ts";
import { outputFlag } from "./output.ts";
import { awaitRevision, WAIT_FLAGS } from "./revision.ts";
import { Usage } from "./usage.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  operands: ["[KIND]", "[NAME]"],
  flags: { file: manifestFlag(), namespace: namespaceFlag(), ...WAIT_FLAGS, output: outputFlag(), ...CLIENT_FLAGS },
  details: [
    "Deletes documents that were applied, by kind and name or as a manifest names them, one after another.",
    "What stands in the config directory of the control plane is deleted there, in its file.",
  ].join(" "),
  examples: [
    ["mesh delete httproute web", "one document"],
    ["mesh delete -f mesh.yaml", "what a file holds"],
  ],
  async run({ flags, operands }) {
    const wanted = flags.file.length > 0 ? await written(flags.file, operands) : [typed(operands, flags.namespace)];
    const client = clientOf(flags);
    for (const document of wanted) {
      const result = await remove(client, document);
      if (flags.output === "json") console.log(JSON.stringify(result));
      else console.log(`${result.deleted}  deleted\nrevision ${result.revision}`);
      if (flags.wait) await awaitRevision(client, result.revision, flags.timeout);
    }
    return 0;
  },
});

interface Wanted {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

function typed([kind, name]: readonly string[], namespace: string): Wanted {
  if (kind === undefined || name === undefined) throw new Usage("give a kind and a name, or -f", "delete");
  const found = kindOf(kind, "delete");
  return { kind: found, namespace: namespaceFor(found, namespace), name };
}

async function written(paths: readonly string[], operands: readonly string[]): Promise<readonly Wanted[]> {
  if (operands.length > 0) throw new Usage("give a kind and a name, or -f, not both", "delete");
  const { documents } = await loadManifests(paths);
  if (documents.length === 0) throw new Error(`Cannot delete: there is no document in ${paths.join(", ")}`);
  // What refers to others goes first: a Service cannot go while a route needs it.
  return documents.toReversed();
}

function remove(client: ControlClient, { kind, namespace, name }: Wanted): Promise<DeleteResult> {
  return client.delete(kind, namespace, name);
}
