import { defineKind, documentSchema } from "../define.ts";
import { ignored, withDefault } from "../field.ts";
import { decoded, secretTexts } from "./secret-data.ts";

const schema = documentSchema({
  data: withDefault(
    secretTexts("text", (value) => value),
    {},
  ),
  binaryData: withDefault(secretTexts("Base64", decoded), {}),
  immutable: ignored(),
});

/** Values are in no problem and in no list: people keep in it what they should not. */
export const configMap = defineKind({
  kind: "ConfigMap",
  apiVersions: ["v1"],
  scope: "Namespaced",
  schema,
  summary: ({ data, binaryData }) => Object.keys({ ...data, ...binaryData }).join(", ") || "nothing",
});
