import { defineKind, documentSchema } from "../define.ts";
import { dnsLabel, ignored } from "../field.ts";

export const namespace = defineKind({
  kind: "Namespace",
  apiVersions: ["v1"],
  scope: "Cluster",
  schema: documentSchema({ spec: ignored() }, dnsLabel()),
  summary: () => "",
});
