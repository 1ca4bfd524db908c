import { z } from "zod";
import { expect, object, optional, refuse, text, withDefault } from "../field.ts";

const HEADER_NAME = "a header name (RFC 9110 token), at most 256";
export const headerName = () => text(HEADER_NAME, (name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name));

const PATH_LIMIT = 1024;
const PATH = `a path that starts with "/", without "//", "/./", "/../", "%2f", "#" or "?", at most ${PATH_LIMIT}`;

/** The rules of Gateway API for Exact and PathPrefix: a path that a normalised request can have. */
function isMatchPath(path: string): boolean {
  return (
    path.length <= PATH_LIMIT &&
    /^\/[A-Za-z0-9/\-._~%!$&'()*+,;=:@]*$/.test(path) &&
    !/\/\/|%2f|\/\.{1,2}(\/|$)/i.test(path)
  );
}

const pathMatch = object({
  type: withDefault(z.enum(["Exact", "PathPrefix", "RegularExpression"]), "PathPrefix"),
  value: withDefault(z.string(), "/"),
}).superRefine(({ type, value }, context) => {
  if (type === "RegularExpression") refuse(context, "a path match of type RegularExpression", ["type"]);
  else if (!isMatchPath(value)) expect(context, PATH, ["value"]);
});

const VALUE_LIMIT = 4096;

/** A condition on a named value: a header or a query parameter. */
function valueMatch(name: z.ZodType<string>) {
  return object({
    name,
    type: withDefault(z.enum(["Exact", "RegularExpression"]), "Exact"),
    value: text(`text of 1 to ${VALUE_LIMIT} characters`, (value) => value.length >= 1 && value.length <= VALUE_LIMIT),
  }).superRefine(({ type, value }, context) => {
    if (type === "RegularExpression" && !isRegularExpression(value)) expect(context, "a regular expression", ["value"]);
  });
}

function isRegularExpression(source: string): boolean {
  try {
    return new RegExp(source) !== null;
  } catch {
    return false;
  }
}

type ValueMatch = { readonly name: string };

/** Gateway API keys these lists by name: of two entries, one would never be looked at. */
function distinctNames(fold: (name: string) => string) {
  return (matches: readonly ValueMatch[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    for (const [i, { name }] of matches.entries()) {
      if (seen.has(fold(name))) expect(context, "a name that no other entry of the list has", [i, "name"]);
      seen.add(fold(name));
    }
  };
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] as const;

export const httpMatch = object({
  path: withDefault(pathMatch, { type: "PathPrefix", value: "/" }),
  headers: withDefault(z.array(valueMatch(headerName())).superRefine(distinctNames((name) => name.toLowerCase())), []),
  queryParams: withDefault(z.array(valueMatch(headerName())).superRefine(distinctNames((name) => name)), []),
  method: optional(z.enum(METHODS)),
});
