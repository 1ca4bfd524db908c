import { defineKind, documentSchema } from "../define.ts";
import { ignored, text, withDefault } from "../field.ts";
import { decoded, secretTexts } from "./secret-data.ts";

const schema = documentSchema({
  type: withDefault(text("text (put it in quotes)"), "Opaque"),
  data: withDefault(secretTexts("Base64", decoded), {}),
  stringData: withDefault(
    secretTexts("text", (value) => value),
    {},
  ),
  immutable: ignored(),
  // As an API server does: what is written as text stands in the place of what is encoded.
}).transform(({ data, stringData, ...body }) => ({ ...body, data: { ...data, ...stringData } }));

/** Values are decoded, as UTF-8; they are in no problem and in no list. */
export const secret = defineKind({
  kind: "Secret",
  apiVersions: ["v1"],
  scope: "Namespaced",
  schema,
  summary: ({ type, data }) => `${type} with ${Object.keys(data).join(", ") || "nothing"}`,
});
