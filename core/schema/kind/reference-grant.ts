import { defineKind, documentSchema } from "../define.ts";
import { dnsLabel, object, optional } from "../field.ts";
import { group, kindName, list, objectName } from "./gateway-field.ts";

const from = object({ group: group(), kind: kindName(), namespace: dnsLabel() });
/** Without a name: all of the kind. */
const to = object({ group: group(), kind: kindName(), name: optional(objectName()) });

const spec = object({
  from: list(from, "entries", { from: 1, to: 16 }),
  to: list(to, "entries", { from: 1, to: 16 }),
});

export const referenceGrant = defineKind({
  kind: "ReferenceGrant",
  apiVersions: [
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1beta1",
    "gateway.networking.k8s.io/v1alpha2",
  ],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) =>
    `${spec.from.map(({ kind, namespace }) => `${kind} of ${namespace}`).join(", ")} to ${spec.to.map(({ kind, name }) => (name === undefined ? kind : `${kind}/${name}`)).join(", ")}`,
});
