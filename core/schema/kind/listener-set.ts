import { defineKind, documentSchema } from "../define.ts";
import { dnsLabel, object, optional, withDefault } from "../field.ts";
import { GATEWAY_GROUP, group, kindName, objectName } from "./gateway-field.ts";
import { listeners } from "./listener.ts";

const parentRef = object({
  group: withDefault(group(), GATEWAY_GROUP),
  kind: withDefault(kindName(), "Gateway"),
  name: objectName(),
  namespace: optional(dnsLabel()),
});

const spec = object({ parentRef, listeners });

export const listenerSet = defineKind({
  kind: "ListenerSet",
  apiVersions: ["gateway.networking.k8s.io/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => `${spec.listeners.length} listeners for ${spec.parentRef.kind}/${spec.parentRef.name}`,
});
