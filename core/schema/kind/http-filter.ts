import { z } from "zod";
import { compileEdits } from "../../route/mod.ts";
import { distinct, expect, ignored, object, optional, port, refuse, text, wholeNumber, withDefault } from "../field.ts";
import { cors } from "./cors.ts";
import { list, preciseHostname } from "./gateway-field.ts";
import { headerName } from "./http-match.ts";
import { backendObject, localRef } from "./reference.ts";

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

const EDIT_LIMIT = 16;

const header = object({ name: editedName(), value: headerValue() });
const edits = () => distinct(list(header, "headers", { to: EDIT_LIMIT }), "name");

const headerModifier = object({
  set: withDefault(edits(), []),
  add: withDefault(edits(), []),
  remove: withDefault(list(editedName(), "headers", { to: EDIT_LIMIT }), []),
});

const PATH_LIMIT = 1024;

/** What is put in the place of a path: a request line must be able to hold it. */
const replacement = () =>
  text(
    `a path without spaces, "?" and "#", at most ${PATH_LIMIT} characters`,
    (path) => path.length <= PATH_LIMIT && /^[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(path),
  );

const REPLACES = { ReplaceFullPath: "replaceFullPath", ReplacePrefixMatch: "replacePrefixMatch" } as const;

const pathModifier = object({
  type: z.enum(["ReplaceFullPath", "ReplacePrefixMatch"]),
  replaceFullPath: optional(replacement()),
  replacePrefixMatch: optional(replacement()),
}).superRefine((modifier, context) => {
  for (const field of Object.values(REPLACES)) {
    const wanted = field === REPLACES[modifier.type];
    if (wanted && modifier[field] === undefined) expect(context, `a path, as the type is ${modifier.type}`, [field]);
    if (!wanted && modifier[field] !== undefined) expect(context, `left out: the type is ${modifier.type}`, [field]);
  }
});

const REDIRECT_STATUSES = [301, 302, 303, 307, 308] as const;

const redirect = object({
  scheme: optional(z.enum(["http", "https"])),
  hostname: optional(preciseHostname()),
  path: optional(pathModifier),
  port: optional(port()),
  statusCode: withDefault(z.literal(REDIRECT_STATUSES), 302),
});

const rewrite = object({ hostname: optional(preciseHostname()), path: optional(pathModifier) });

const LARGEST = 2_147_483_647;

const fraction = object({
  numerator: wholeNumber(0, LARGEST),
  denominator: withDefault(wholeNumber(1, LARGEST), 100),
}).superRefine(({ numerator, denominator }, context) => {
  if (numerator > denominator) expect(context, "at most the denominator", ["numerator"]);
});

const mirror = object({
  backendRef: backendObject,
  percent: optional(wholeNumber(0, 100)),
  fraction: optional(fraction),
}).superRefine(({ percent, fraction }, context) => {
  if (percent !== undefined && fraction !== undefined) expect(context, "left out: percent says it", ["fraction"]);
});

/** The field of a filter that its type reads. */
const FIELD_OF = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
  RequestMirror: "requestMirror",
  RequestRedirect: "requestRedirect",
  URLRewrite: "urlRewrite",
  CORS: "cors",
  ExtensionRef: "extensionRef",
  ExternalAuth: "externalAuth",
} as const;

export type FilterType = keyof typeof FIELD_OF;

const fields = {
  requestHeaderModifier: optional(headerModifier),
  responseHeaderModifier: optional(headerModifier),
  requestMirror: optional(mirror),
  requestRedirect: optional(redirect),
  urlRewrite: optional(rewrite),
  cors: optional(cors),
  extensionRef: optional(localRef),
  externalAuth: ignored(),
};
const FILTER_FIELDS = Object.values(FIELD_OF);

/** A filter of one of these types, with the field that its type reads and no other. */
function filterOf<const T extends readonly [FilterType, ...FilterType[]]>(types: T) {
  return object({ type: z.enum(types), ...fields }).superRefine((filter, context) => {
    const type = filter.type as FilterType;
    if (type === "ExternalAuth") return refuse(context, `the filter ${type}`, ["type"]);
    for (const field of FILTER_FIELDS) {
      const wanted = field === FIELD_OF[type];
      const given = filter[field] !== undefined && filter[field] !== null;
      if (wanted && !given) expect(context, `what ${type} does`, [field]);
      if (!wanted && given) expect(context, `left out: the type is ${type}`, [field]);
    }
  });
}

const FILTER_LIMIT = 16;

/** Gateway API allows these types once; there may be several mirrors and extensions. */
const REPEATABLE: readonly unknown[] = ["RequestMirror", "ExtensionRef"];

function filtersOf<const T extends readonly [FilterType, ...FilterType[]]>(types: T) {
  return distinct(list(filterOf(types), "filters", { to: FILTER_LIMIT }), "type", ({ type }) =>
    REPEATABLE.includes(type) ? undefined : type,
  );
}

/** Filters of a rule of an HTTPRoute or of one of its backends. */
export const httpFilters = filtersOf([
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestMirror",
  "RequestRedirect",
  "URLRewrite",
  "CORS",
  "ExtensionRef",
  "ExternalAuth",
]).superRefine((filters, context) => {
  const redirect = filters.findIndex(({ type }) => type === "RequestRedirect");
  if (redirect >= 0 && filters.some(({ type }) => type === "URLRewrite"))
    expect(context, "left out: a request that is redirected is not rewritten", [redirect]);
});

/** Filters of a rule of a GRPCRoute or of one of its backends. */
export const grpcFilters = filtersOf([
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestMirror",
  "ExtensionRef",
]);
