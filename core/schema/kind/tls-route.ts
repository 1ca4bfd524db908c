import { defineKind, documentSchema } from "../define.ts";
import { expect, object, withDefault } from "../field.ts";
import { connectionFields, parentsText } from "./connection-route.ts";
import { hostname, list } from "./gateway-field.ts";

const HOSTNAME_LIMIT = 1024;

const spec = object({
  ...connectionFields,
  /** Server names of the ClientHello. */
  hostnames: withDefault(list(hostname(), "host names", { to: HOSTNAME_LIMIT }), []),
});

/** Since v1 a TLSRoute says which names it is for, in one rule. */
const schema = documentSchema({ spec }).superRefine(({ apiVersion, spec }, context) => {
  if (!apiVersion.endsWith("/v1")) return;
  if (spec.hostnames.length === 0) expect(context, "a list of 1 to 1024 host names", ["spec", "hostnames"]);
  if (spec.rules.length !== 1) expect(context, "a list of 1 rule", ["spec", "rules"]);
});

export const tlsRoute = defineKind({
  kind: "TLSRoute",
  apiVersions: [
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1alpha3",
    "gateway.networking.k8s.io/v1alpha2",
  ],
  scope: "Namespaced",
  schema,
  summary: ({ spec }) => `${spec.hostnames.join(", ") || "all names"} for ${parentsText(spec.parentRefs)}`,
});
