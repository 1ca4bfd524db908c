import { z } from "zod";
import { messageOf } from "../../base/mod.ts";
import { Pattern } from "../../route/mod.ts";
import { distinct, expect, object, optional, text, withDefault } from "../field.ts";
import { list } from "./gateway-field.ts";

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
  if (type === "RegularExpression") wantPattern(value, context);
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
    if (type === "RegularExpression") wantPattern(value, context);
  });
}

/** Refuses what is no regular expression, or none that the router runs. */
export function wantPattern(source: string, context: z.RefinementCtx, path: string[] = ["value"]): void {
  const problem = problemOfPattern(source);
  if (problem !== null) expect(context, `a regular expression (${problem})`, path);
}

/** The router is the judge: it runs what a linear automaton can, which is less than RegExp. */
function problemOfPattern(source: string): string | null {
  try {
    return new Pattern(source) && null;
  } catch (error) {
    // Without the expression itself, which the problem shows as what was found.
    const message = messageOf(error);
    return message.slice(message.indexOf(source) + source.length + 3);
  }
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] as const;

const CONDITION_LIMIT = 16;

/** Gateway API keys these lists by name: of two entries, one would never be looked at. */
export const headerMatches = withDefault(
  distinct(list(valueMatch(headerName()), "headers", { to: CONDITION_LIMIT }), "name", foldedName),
  [],
);

export const httpMatch = object({
  path: withDefault(pathMatch, { type: "PathPrefix", value: "/" }),
  headers: headerMatches,
  queryParams: withDefault(distinct(list(valueMatch(headerName()), "parameters", { to: CONDITION_LIMIT }), "name"), []),
  method: optional(z.enum(METHODS)),
});

function foldedName({ name }: Readonly<Record<string, unknown>>): unknown {
  return typeof name === "string" ? name.toLowerCase() : name;
}
