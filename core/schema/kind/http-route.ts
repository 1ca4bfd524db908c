import type { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import { distinct, duration, expect, object, optional, section, wholeNumber, withDefault } from "../field.ts";
import { parentsText } from "./connection-route.ts";
import { hostname, list, sectionName } from "./gateway-field.ts";
import { httpFilters } from "./http-filter.ts";
import { httpMatch } from "./http-match.ts";
import { backendRef, parentRefs, useDefaultGateways } from "./reference.ts";
import { sessionPersistence } from "./session.ts";

type Filters = z.output<typeof httpFilters>;
type Path = (string | number)[];

const timeouts = object({ request: optional(duration()), backendRequest: optional(duration()) }).superRefine(
  ({ request, backendRequest }, context) => {
    if (request !== undefined && request > 0 && backendRequest !== undefined && backendRequest > request)
      expect(context, "at most timeouts.request", ["backendRequest"]);
  },
);

const MOST_ATTEMPTS = 1000;

/** GEP-1731. */
const retry = object({
  codes: withDefault(list(wholeNumber(400, 599), "statuses", { to: 200 }), []),
  attempts: optional(wholeNumber(0, MOST_ATTEMPTS)),
  backoff: optional(duration()),
});

const MATCH_LIMIT = 64;
const TOTAL_MATCH_LIMIT = 128;

const rule = object({
  name: optional(sectionName()),
  matches: withDefault(list(httpMatch, "matches", { to: MATCH_LIMIT }), []),
  filters: withDefault(httpFilters, []),
  backendRefs: withDefault(list(backendRef({ filters: withDefault(httpFilters, []) }), "backends", { to: 16 }), []),
  timeouts: section(timeouts),
  retry: optional(retry),
  sessionPersistence: optional(sessionPersistence),
}).superRefine(({ filters, matches, backendRefs }, context) => {
  const redirect = filters.findIndex(({ type }) => type === "RequestRedirect");
  if (redirect >= 0 && backendRefs.length > 0)
    expect(context, "left out: a rule with backends does not redirect", ["filters", redirect]);
  const [only] = matches;
  const hasPrefix = matches.length === 0 || (matches.length === 1 && only?.path.type === "PathPrefix");
  if (hasPrefix) return;
  wantNoPrefix(filters, ["filters"], context);
  for (const [i, backend] of backendRefs.entries())
    wantNoPrefix(backend.filters, ["backendRefs", i, "filters"], context);
});

/** The prefix that is replaced is that of the match, which must be the only one. */
function wantNoPrefix(filters: Filters, path: Path, context: z.RefinementCtx): void {
  const expected = "left out: it takes a rule with exactly one match, of type PathPrefix";
  for (const [i, { requestRedirect, urlRewrite }] of filters.entries())
    for (const [field, change] of [
      ["requestRedirect", requestRedirect?.path],
      ["urlRewrite", urlRewrite?.path],
    ] as const)
      if (change?.replacePrefixMatch !== undefined)
        expect(context, expected, [...path, i, field, "path", "replacePrefixMatch"]);
}

const spec = object({
  parentRefs: withDefault(parentRefs, []),
  hostnames: withDefault(list(hostname(), "host names", { to: 16 }), []),
  rules: withDefault(distinct(list(rule, "rules", { from: 1, to: 16 }), "name"), [rule.parse({})]),
  useDefaultGateways,
}).superRefine(({ rules }, context) => {
  const total = rules.reduce((sum, { matches }) => sum + matches.length, 0);
  if (total > TOTAL_MATCH_LIMIT) expect(context, `rules with at most ${TOTAL_MATCH_LIMIT} matches together`, ["rules"]);
});

export const httpRoute = defineKind({
  kind: "HTTPRoute",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => `${spec.rules.length} rules for ${parentsText(spec.parentRefs)}`,
});
