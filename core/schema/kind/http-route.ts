import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import {
  ALWAYS,
  distinct,
  dnsLabel,
  dnsSubdomain,
  duration,
  expect,
  object,
  optional,
  port,
  refuse,
  section,
  text,
  unsupported,
  wholeNumber,
  withDefault,
} from "../field.ts";
import { httpFilters } from "./http-filter.ts";
import { httpMatch } from "./http-match.ts";

const GATEWAY_GROUP = "gateway.networking.k8s.io";

const parentRef = object({
  group: optional(z.string()),
  kind: withDefault(dnsKind(), "Gateway"),
  namespace: optional(dnsLabel()),
  name: dnsSubdomain(),
  sectionName: unsupported("sectionName of a parentRef"),
  port: optional(port()),
}).superRefine(({ group, kind }, context) => {
  if (kind === "Gateway" && (group ?? GATEWAY_GROUP) === GATEWAY_GROUP) refuse(context, "a parentRef to a Gateway");
  else if (kind !== "Service") expect(context, "Service", ["kind"]);
  else if ((group ?? "") !== "") expect(context, '"", the group of Service', ["group"]);
});

const backendRef = object({
  group: withDefault(z.string(), ""),
  kind: withDefault(dnsKind(), "Service"),
  namespace: optional(dnsLabel()),
  name: dnsSubdomain(),
  port: optional(port()),
  weight: withDefault(wholeNumber(0, 1_000_000), 1),
  filters: withDefault(httpFilters, []),
}).superRefine(({ group, kind, port }, context) => {
  if (group === "" && kind === "Service" && port === undefined) expect(context, "a port of the Service", ["port"]);
}, ALWAYS);

const timeouts = object({ request: optional(duration()), backendRequest: optional(duration()) }).superRefine(
  ({ request, backendRequest }, context) => {
    if (request !== undefined && request > 0 && backendRequest !== undefined && backendRequest > request)
      expect(context, "at most timeouts.request", ["backendRequest"]);
  },
);

const rule = object({
  name: optional(dnsSubdomain()),
  matches: withDefault(z.array(httpMatch), []),
  filters: withDefault(httpFilters, []),
  backendRefs: withDefault(z.array(backendRef), []),
  timeouts: section(timeouts),
  retry: unsupported("retry of a rule"),
  sessionPersistence: unsupported("sessionPersistence of a rule"),
});

const spec = object({
  parentRefs: withDefault(z.array(parentRef), []),
  hostnames: withDefault(z.array(text("a host name", (name) => name !== "")), []),
  rules: withDefault(distinct(z.array(rule), "name"), []),
  useDefaultGateways: unsupported("useDefaultGateways"),
});

export const httpRoute = defineKind({
  kind: "HTTPRoute",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) =>
    `${spec.rules.length} rules for ${spec.parentRefs.map((ref) => `${ref.kind}/${ref.name}`).join(", ")}`,
});

function dnsKind() {
  return text("a kind", (kind) => /^[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(kind));
}
