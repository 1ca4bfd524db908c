import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import {
  ALWAYS,
  dnsLabel,
  dnsSubdomain,
  expect,
  object,
  optional,
  port,
  record,
  refuse,
  section,
  text,
  unsupported,
  wholeNumber,
  withDefault,
} from "../field.ts";

/** When a plugin is called, in the order in which they run unless `order` says otherwise. */
export const PLUGIN_PHASES = ["Authentication", "Authorization", "RateLimit", "Routing"] as const;
export type PluginPhase = (typeof PLUGIN_PHASES)[number];

/** Group of the kinds a plugin may be attached to. */
const TARGET_GROUPS: Readonly<Record<string, string>> = { Service: "", HTTPRoute: "gateway.networking.k8s.io" };

const targetRef = object({
  group: optional(z.string()),
  kind: z.enum(["Service", "HTTPRoute"]),
  name: dnsSubdomain(),
  /** A named rule of an HTTPRoute. */
  sectionName: optional(dnsSubdomain()),
}).superRefine((ref, context) => {
  const group = TARGET_GROUPS[ref.kind] ?? "";
  if (ref.group !== undefined && ref.group !== group)
    expect(context, `"${group}", the group of ${ref.kind}`, ["group"]);
  if (ref.kind === "Service" && ref.sectionName !== undefined)
    refuse(context, "a plugin for one port of a Service", ["sectionName"]);
});

const source = object({
  /** Path of a WASM module, or of an Extism manifest (.yaml, .yml, .json) of one, relative to the file of this document. */
  file: optional(text("a path", (path) => path !== "" && !path.includes("\0"))),
  /** Name of a module that ships with mesh. */
  builtin: optional(dnsLabel()),
  https: unsupported("a plugin from an https URL"),
  oci: unsupported("a plugin from an OCI registry"),
}).superRefine(({ file, builtin, https, oci }, context) => {
  const given = [file, builtin, https, oci].filter((place) => place !== undefined);
  if (given.length !== 1) expect(context, "exactly one of file and builtin");
}, ALWAYS);

const destination = object({ name: dnsLabel(), namespace: optional(dnsLabel()), port: optional(port()) });

const spec = object({
  targetRefs: z.array(targetRef).min(1, "a list with what the plugin is attached to"),
  source,
  /** SHA-256 of the module, hex; a module with another one is refused. */
  sha256: optional(text("64 hex digits", (hex) => /^[0-9a-f]{64}$/.test(hex))),
  phase: z.enum(PLUGIN_PHASES),
  /** Handed to the plugin; values that are not text reach it as JSON. */
  config: withDefault(record(z.unknown()), {}),
  /** Lower runs first. Left out: by phase, 100, 200, 300, 400. */
  order: optional(wholeNumber(-1_000_000, 1_000_000)),
  /** What a fault of the plugin means. Left out: Closed for authentication and authorization, Open for the rest. */
  failureMode: optional(z.enum(["Closed", "Open"])),
  limits: section(
    object({ fuel: optional(wholeNumber(1000, 2_000_000_000)), memoryPages: optional(wholeNumber(1, 16_384)) }),
  ),
  /** Services a routing plugin may choose, beside the backends of the rule. */
  destinations: withDefault(z.array(destination), []),
});

export const plugin = defineKind({
  kind: "Plugin",
  apiVersions: ["mesh.dev/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) =>
    `${spec.phase} ${spec.source.file ?? spec.source.builtin} on ${spec.targetRefs.map((ref) => `${ref.kind}/${ref.name}`).join(", ")}`,
});
