import { defineKind, documentSchema } from "../define.ts";
import { connectionSpec, parentsText } from "./connection-route.ts";

export const tcpRoute = defineKind({
  kind: "TCPRoute",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha2"],
  scope: "Namespaced",
  schema: documentSchema({ spec: connectionSpec }),
  summary: ({ spec }) => `${spec.rules.length} rules for ${parentsText(spec.parentRefs)}`,
});
