import { z } from "zod";
import { expect, ignored, object, optional, refuse, text, withDefault } from "../field.ts";
import { headerName } from "./http-match.ts";

/** Fields that belong to the connection or to the framing of a message: an edit of them would break it. */
const FRAMING_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const editedName = () =>
  headerName().superRefine((name, context) => {
    if (typeof name === "string" && FRAMING_HEADERS.has(name.toLowerCase()))
      expect(context, "a header that is not of the connection, the framing or the host");
  });

const header = object({
  name: editedName(),
  value: text("a header value of 1 to 4096 visible characters, spaces inside", (value) =>
    /^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,4094}[\x21-\x7e\x80-\xff])?$/.test(value),
  ),
});

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
export const httpFilters = z.array(httpFilter).superRefine((filters, context) => {
  const seen = new Set<string>();
  for (const [i, { type }] of filters.entries()) {
    if (seen.has(type)) expect(context, "a type that no other filter of the list has", [i, "type"]);
    seen.add(type);
  }
});
