import type { ControlClient, ResourceRow, ResourceState } from "../core/control/client/mod.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { choice, toggle, withDefault } from "./flag.ts";
import { kindOf, namespaceFlag, namespaceFor } from "./kind.ts";
import { REGISTRY_VIEWS } from "./registry.ts";
import { tableText } from "./table.ts";
import { defineVerb } from "./verb.ts";

const FORMATS = ["table", "yaml", "json"] as const;
type Format = (typeof FORMATS)[number];

export const verb = defineVerb({
  operands: ["KIND", "[NAME]"],
  flags: {
    namespace: namespaceFlag(),
    allNamespaces: toggle("of all namespaces", "A"),
    output: withDefault(
      choice(FORMATS, {
        short: "o",
        hint: "FORMAT",
        about: "table for people; yaml and json as documents were written, with their status",
      }),
      "table",
    ),
    showSecrets: toggle("show what Secrets hold; for administrators"),
    ...CLIENT_FLAGS,
  },
  details: [
    "Shows what runs: documents of the config directory and those that were applied. KIND may be in any case, plural or",
    'short (svc, ns, route, wl); "all" means every kind. Two views show what the control plane knows beyond documents:',
    '"endpoints", by Service, and "registrations", the workloads whose proxies announced themselves.',
  ].join(" "),
  examples: [
    ["mesh get httproutes -A", "routes of all namespaces"],
    ["mesh get route web -o yaml", "one document with its status"],
    ["mesh get gateways", "Gateways with their addresses"],
    ["mesh get endpoints web", "who serves a Service now"],
  ],
  async run({ flags, operands: [word = "", name] }) {
    const client = clientOf(flags);
    const namespace = flags.allNamespaces ? "" : flags.namespace;
    const view = REGISTRY_VIEWS.find(({ names }) => names.includes(word.toLowerCase()));
    if (view !== undefined)
      console.log(await view.show(client, { namespace, name: name ?? "" }, flags.output !== "table"));
    else if (word.toLowerCase() === "all")
      console.log(await shown(client, await rowsOf(client, null, namespace), flags));
    else if (name === undefined) console.log(await shown(client, await rowsOf(client, word, namespace), flags));
    else console.log(await one(client, word, name, flags));
    return 0;
  },
});

async function rowsOf(client: ControlClient, word: string | null, namespace: string): Promise<readonly ResourceRow[]> {
  const rows = await client.resources(word === null ? undefined : kindOf(word, "get"));
  return rows.filter((row) => namespace === "" || row.namespace === "" || row.namespace === namespace);
}

/** How documents are to be shown. */
interface Shown {
  readonly namespace: string;
  readonly output: Format;
  readonly showSecrets: boolean;
}

async function one(client: ControlClient, word: string, name: string, { namespace, output, showSecrets }: Shown) {
  const kind = kindOf(word, "get");
  const detail = await client.resource(kind, namespaceFor(kind, namespace), name, showSecrets);
  if (output === "table") return rowTable([detail]);
  return await written(detail.document, output);
}

async function shown(
  client: ControlClient,
  rows: readonly ResourceRow[],
  { output, showSecrets }: Shown,
): Promise<string> {
  if (output === "table") return rows.length === 0 ? "nothing found" : rowTable(rows);
  const details = await Promise.all(
    rows.map(({ kind, namespace, name }) => client.resource(kind, namespace, name, showSecrets)),
  );
  return await written({ apiVersion: "v1", kind: "List", items: details.map(({ document }) => document) }, output);
}

/** Columns that some kinds have are there where one of the rows has them. */
const STATES: readonly (readonly [column: string, cell: (state: ResourceState) => string | undefined])[] = [
  ["accepted", ({ accepted }) => accepted],
  ["programmed", ({ programmed }) => programmed],
  ["address", ({ addresses }) => addresses?.join(", ")],
];

function rowTable(rows: readonly ResourceRow[]): string {
  const cellOf = ({ state }: ResourceRow, cell: (state: ResourceState) => string | undefined) =>
    state === undefined ? undefined : cell(state);
  const states = STATES.filter(([, cell]) => rows.some((row) => cellOf(row, cell) !== undefined));
  const cells = rows.map((row) => {
    const { kind, namespace, name, summary, origin } = row;
    return [kind, namespace, name, ...states.map(([, cell]) => cellOf(row, cell) ?? ""), summary, origin];
  });
  return tableText(["kind", "namespace", "name", ...states.map(([column]) => column), "summary", "from"], cells);
}

async function written(value: unknown, format: Format): Promise<string> {
  if (format === "json") return JSON.stringify(value, null, 2);
  const { stringify } = await import("yaml");
  return stringify(value).trimEnd();
}
