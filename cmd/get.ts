import type { ControlClient, ResourceRow } from "../core/control/client/mod.ts";
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
        about: "table for people; yaml and json as documents were written",
      }),
      "table",
    ),
    ...CLIENT_FLAGS,
  },
  details: [
    "Shows what runs: documents of the config directory and those that were applied. KIND may be in any case, plural or",
    'short (svc, ns, route, wl); "all" means every kind. Two views show what the control plane knows beyond documents:',
    '"endpoints", by Service, and "registrations", the workloads whose proxies announced themselves.',
  ].join(" "),
  examples: [
    ["mesh get httproutes -A", "routes of all namespaces"],
    ["mesh get route web -o yaml", "one document, as it was written"],
    ["mesh get endpoints web", "who serves a Service now"],
  ],
  async run({ flags, operands: [word = "", name] }) {
    const client = clientOf(flags);
    const namespace = flags.allNamespaces ? "" : flags.namespace;
    const view = REGISTRY_VIEWS.find(({ names }) => names.includes(word.toLowerCase()));
    if (view !== undefined)
      console.log(await view.show(client, { namespace, name: name ?? "" }, flags.output !== "table"));
    else if (word.toLowerCase() === "all")
      console.log(await shown(client, await rowsOf(client, null, namespace), flags.output));
    else if (name === undefined) console.log(await shown(client, await rowsOf(client, word, namespace), flags.output));
    else console.log(await one(client, word, flags.namespace, name, flags.output));
    return 0;
  },
});

async function rowsOf(client: ControlClient, word: string | null, namespace: string): Promise<readonly ResourceRow[]> {
  const rows = await client.resources(word === null ? undefined : kindOf(word, "get"));
  return rows.filter((row) => namespace === "" || row.namespace === "" || row.namespace === namespace);
}

async function one(client: ControlClient, word: string, namespace: string, name: string, format: Format) {
  const kind = kindOf(word, "get");
  const detail = await client.resource(kind, namespaceFor(kind, namespace), name);
  if (format === "table") return rowTable([detail]);
  return await written(detail.document, format);
}

async function shown(client: ControlClient, rows: readonly ResourceRow[], format: Format): Promise<string> {
  if (format === "table") return rows.length === 0 ? "nothing found" : rowTable(rows);
  const details = await Promise.all(rows.map(({ kind, namespace, name }) => client.resource(kind, namespace, name)));
  return await written({ apiVersion: "v1", kind: "List", items: details.map(({ document }) => document) }, format);
}

function rowTable(rows: readonly ResourceRow[]): string {
  const cells = rows.map(({ kind, namespace, name, summary, origin }) => [kind, namespace, name, summary, origin]);
  return tableText(["kind", "namespace", "name", "summary", "from"], cells);
}

async function written(value: unknown, format: Format): Promise<string> {
  if (format === "json") return JSON.stringify(value, null, 2);
  const { stringify } = await import("yaml");
  return stringify(value).trimEnd();
}
