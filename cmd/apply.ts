import { ApiRefused, type ApplyResult, type ControlClient, type ResourceDetail } from "../core/control/client/mod.ts";
import { type Document, documentKey } from "../core/schema/mod.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { toggle } from "./flag.ts";
import { isUnreadable, loadManifests, type Manifests, manifestFlag, requestOf } from "./manifest.ts";
import { outputFlag } from "./output.ts";
import { printProblems, problemText } from "./problems.ts";
import { awaitRevision, WAIT_FLAGS } from "./revision.ts";
import { tableText } from "./table.ts";
import { painter } from "./terminal.ts";
import { Usage } from "./usage.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: {
    file: manifestFlag(),
    ...WAIT_FLAGS,
    dryRun: toggle("find out what would change, and change nothing"),
    output: outputFlag(),
    ...CLIENT_FLAGS,
  },
  details: [
    "Sends documents to the control plane, which checks them together with all that runs: either all of them are",
    "taken, or none, and everything that is wrong is told. Modules of plugins that lie beside the files go along.",
    "What is applied stays until it is deleted, and survives restarts.",
  ].join(" "),
  examples: [
    ["mesh apply -f mesh.yaml --wait", "apply a file, and return when every proxy runs it"],
    ["mesh apply -f manifests/ --dry-run", "what would change"],
    ["generate | mesh apply -f -", "from another program"],
  ],
  async run({ flags }) {
    if (flags.file.length === 0) throw new Usage("-f is missing: give a file, a directory or -", "apply");
    const json = flags.output === "json";
    const manifests = await loadManifests(flags.file);
    if (isUnreadable(manifests)) return refuse(manifests, json);
    const client = clientOf(flags);
    const changes = await changesOf(client, manifests.documents);
    const applied = await apply(client, manifests, flags.dryRun, json);
    if (!json) tell(applied, changes);
    const waited = flags.wait && !flags.dryRun ? await awaitRevision(client, applied.revision, flags.timeout) : null;
    if (json) console.log(JSON.stringify({ ...applied, changes, ...(waited && { proxies: waited.total }) }));
    else if (waited !== null) console.log(`every proxy runs it (${waited.total})`);
    return 0;
  },
});

/** What applying does to a document. */
interface Change {
  readonly document: string;
  readonly change: "created" | "changed" | "unchanged";
}

/** Compares documents with those that run now. */
async function changesOf(client: ControlClient, documents: readonly Document[]): Promise<readonly Change[]> {
  const rows = await client.resources();
  const running = new Set(rows.map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`));
  return await Promise.all(
    documents.map(async (document): Promise<Change> => {
      const { kind, namespace, name } = document;
      const key = documentKey(document);
      if (!running.has(`${kind}/${namespace}/${name}`)) return { document: key, change: "created" };
      const before = await runningOf(client, document);
      return { document: key, change: isSame(before.document, document.raw) ? "unchanged" : "changed" };
    }),
  );
}

/** What runs under the name of a document; the values of a Secret only where the caller may see them. */
async function runningOf(client: ControlClient, { kind, namespace, name }: Document): Promise<ResourceDetail> {
  if (kind !== "Secret") return await client.resource(kind, namespace, name);
  try {
    return await client.resource(kind, namespace, name, true);
  } catch (error) {
    if (error instanceof ApiRefused && error.status === 403) return await client.resource(kind, namespace, name);
    throw error;
  }
}

type Written = { readonly [field: string]: unknown };

/** True where a document that runs is the one at hand, but for what the mesh has added to it. */
function isSame(running: unknown, raw: unknown): boolean {
  const { status: _status, metadata, ...rest } = running as Written;
  const { status: _own, metadata: own, ...others } = raw as Written;
  const added = { generation: undefined, creationTimestamp: undefined };
  return Bun.deepEquals(
    { ...rest, metadata: { ...(metadata as Written), ...added } },
    { ...others, metadata: { ...(own as Written), ...added } },
  );
}

async function apply(
  client: ControlClient,
  manifests: Manifests,
  dryRun: boolean,
  json: boolean,
): Promise<ApplyResult> {
  try {
    return await client.apply(await requestOf(manifests), dryRun);
  } catch (error) {
    if (error instanceof ApiRefused && error.problems.length > 0) {
      if (json) console.log(JSON.stringify({ problems: error.problems }));
      else console.log(`${problemText(error.problems, painter())}\n`);
    }
    throw error;
  }
}

/** Says what is wrong with manifests that need not be sent. */
function refuse({ problems, texts }: Manifests, json: boolean): number {
  if (json) console.log(JSON.stringify({ problems }));
  else printProblems(problems, `nothing to apply in ${texts.length} file${texts.length === 1 ? "" : "s"}`);
  return 1;
}

function tell({ revision, problems, dryRun }: ApplyResult, changes: readonly Change[]): void {
  const paint = painter();
  const rows = changes.map(({ document, change }) => [
    document,
    paint(change, change === "unchanged" ? "dim" : "good"),
  ]);
  console.log(tableText([], rows));
  if (problems.length > 0) console.log(`\n${problemText(problems, paint)}\n`);
  console.log(dryRun ? `nothing was changed: ${revision} runs` : `revision ${revision}`);
}
