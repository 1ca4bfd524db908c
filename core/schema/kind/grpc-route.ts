import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import { distinct, expect, object, optional, text, withDefault } from "../field.ts";
import { parentsText } from "./connection-route.ts";
import { hostname, list, sectionName } from "./gateway-field.ts";
import { grpcFilters } from "./http-filter.ts";
import { headerMatches, wantPattern } from "./http-match.ts";
import { backendRef, parentRefs, useDefaultGateways } from "./reference.ts";
import { sessionPersistence } from "./session.ts";

const SERVICE = /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i;
const METHOD = /^[A-Za-z_][A-Za-z_0-9]*$/;
const NAME_LIMIT = 1024;

const name = () => optional(text(`a name of at most ${NAME_LIMIT} characters`, (name) => name.length <= NAME_LIMIT));

const methodMatch = object({
  type: withDefault(z.enum(["Exact", "RegularExpression"]), "Exact"),
  service: name(),
  method: name(),
}).superRefine(({ type, service = "", method = "" }, context) => {
  if (service === "" && method === "") expect(context, "an object with service, method or both");
  for (const [field, value, form] of [
    ["service", service, SERVICE],
    ["method", method, METHOD],
  ] as const) {
    if (value === "") continue;
    if (type === "RegularExpression") wantPattern(value, context, [field]);
    else if (!form.test(value)) expect(context, `a ${field} of gRPC`, [field]);
  }
});

const grpcMatch = object({ method: optional(methodMatch), headers: headerMatches });

const MATCH_LIMIT = 64;
const TOTAL_MATCH_LIMIT = 128;

const rule = object({
  name: optional(sectionName()),
  matches: withDefault(list(grpcMatch, "matches", { to: MATCH_LIMIT }), []),
  filters: withDefault(grpcFilters, []),
  backendRefs: withDefault(list(backendRef({ filters: withDefault(grpcFilters, []) }), "backends", { to: 16 }), []),
  sessionPersistence: optional(sessionPersistence),
});

const spec = object({
  parentRefs: withDefault(parentRefs, []),
  hostnames: withDefault(list(hostname(), "host names", { to: 16 }), []),
  rules: withDefault(distinct(list(rule, "rules", { to: 16 }), "name"), []),
  useDefaultGateways,
}).superRefine(({ rules }, context) => {
  const total = rules.reduce((sum, { matches }) => sum + matches.length, 0);
  if (total > TOTAL_MATCH_LIMIT) expect(context, `rules with at most ${TOTAL_MATCH_LIMIT} matches together`, ["rules"]);
});

export const grpcRoute = defineKind({
  kind: "GRPCRoute",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha2"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => `${spec.rules.length} rules for ${parentsText(spec.parentRefs)}`,
});
