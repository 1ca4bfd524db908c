import { distinct, object, optional, withDefault } from "../field.ts";
import { list, sectionName } from "./gateway-field.ts";
import { connectionBackends, parentRefs, useDefaultGateways } from "./reference.ts";

/** A rule of a route for connections: it has no conditions, the listener or the hostnames are. */
const rule = object({ name: optional(sectionName()), backendRefs: connectionBackends });

/** What routes for connections have in common. */
export const connectionFields = {
  parentRefs: withDefault(parentRefs, []),
  rules: distinct(list(rule, "rules", { from: 1, to: 16 }), "name"),
  useDefaultGateways,
};

export const connectionSpec = object(connectionFields);

/** How such a route reads in a list. */
export function parentsText(refs: readonly { readonly kind: string; readonly name: string }[]): string {
  return refs.map((ref) => `${ref.kind}/${ref.name}`).join(", ");
}
