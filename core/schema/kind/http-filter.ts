import { z } from "zod";
import { compileEdits } from "../../route/mod.ts";
import { distinct, expect, ignored, object, optional, refuse, text, withDefault } from "../field.ts";
import { headerName } from "./http-match.ts";

const VALUE_LIMIT = 4096;

const editedName = () =>
  headerName().superRefine((name, context) => {
    if (typeof name === "string" && !isEditable(name, "-"))
      expect(context, "a header that is not of the framing, the connection or the host");
  });

const headerValue = () =>
  text(
    `a header value of 1 to ${VALUE_LIMIT} characters without control characters`,
    (value) => value.length >= 1 && value.length <= VALUE_LIMIT && isEditable("x", value),
  );

/** The router is the judge: what it would refuse to run is refused here, where it has a line. */
function isEditable(name: string, value: string): boolean {
  try {
    return compileEdits({ set: [{ name, value }] }) !== null;
  } catch {
    return false;
  }
}

const header = object({ name: editedName(), value: headerValue() });

const headerModifier = object({
  set: withDefault(z.array(header), []),
  add: withDefault(z.array(header), []),
  remove: withDefault(z.array(editedName()), []),
});

/** The field of a filter that its type reads. */
const FIELD_OF = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
} as const;

const UNSUPPORTED_FILTERS = [
  "RequestMirror",
  "RequestRedirect",
  "URLRewrite",
  "CORS",
  "ExternalAuth",
  "ExtensionRef",
] as const;

const FILTER_TYPES = ["RequestHeaderModifier", "ResponseHeaderModifier", ...UNSUPPORTED_FILTERS] as const;

const fields = {
  requestHeaderModifier: optional(headerModifier),
  responseHeaderModifier: optional(headerModifier),
  requestMirror: ignored(),
  requestRedirect: ignored(),
  urlRewrite: ignored(),
  cors: ignored(),
  externalAuth: ignored(),
  extensionRef: ignored(),
};
const FILTER_FIELDS = Object.keys(fields) as (keyof typeof fields)[];

const httpFilter = object({ type: z.enum(FILTER_TYPES), ...fields }).superRefine((filter, context) => {
  const { type } = filter;
  if (type !== "RequestHeaderModifier" && type !== "ResponseHeaderModifier")
    refuse(context, `the filter ${type}`, ["type"]);
  else
    for (const field of FILTER_FIELDS) {
      const wanted = field === FIELD_OF[type];
      if (wanted && filter[field] === undefined) expect(context, `the headers that ${type} edits`, [field]);
      if (!wanted && filter[field] !== undefined) expect(context, `left out: the type is ${type}`, [field]);
    }
});

/** Filters of a rule or of a backend; Gateway API allows each of these types once. */
export const httpFilters = distinct(z.array(httpFilter), "type");
