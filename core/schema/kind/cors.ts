import { z } from "zod";
import { expect, object, text, wholeNumber, withDefault } from "../field.ts";
import { list } from "./gateway-field.ts";
import { headerName } from "./http-match.ts";

const ORIGIN = /^[a-zA-Z][a-zA-Z0-9+\-.]*:\/\/[^:/?#\s]+(:[0-9]{1,5})?$/;
const ORIGIN_LIMIT = 253;

const origin = text(
  'an origin like "https://example.com", "https://*.example.com" or "*"',
  (origin) => origin === "*" || (origin.length <= ORIGIN_LIMIT && ORIGIN.test(origin)),
);

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"] as const;

/** A set in which `*` stands alone: it is all there is. */
function allOrSome<S extends z.ZodType<string>>(schema: S, entries: string, to: number) {
  return withDefault(
    list(schema, entries, { to }).superRefine((given, context) => {
      const all = (given as readonly string[]).indexOf("*");
      if (all >= 0 && given.length > 1) expect(context, `${entries} by name, or "*" alone`, [all]);
      for (const [i, entry] of given.entries())
        if (given.indexOf(entry) < i) expect(context, "an entry that the list does not have before", [i]);
    }),
    [],
  );
}

const LONGEST = 2_147_483_647;

/** HTTPCORSFilter. */
export const cors = object({
  allowOrigins: allOrSome(origin, "origins", 64),
  allowCredentials: withDefault(z.boolean(), false),
  allowMethods: allOrSome(z.enum(METHODS), "methods", METHODS.length),
  allowHeaders: allOrSome(headerName(), "headers", 64),
  exposeHeaders: allOrSome(headerName(), "headers", 64),
  maxAge: withDefault(wholeNumber(1, LONGEST), 5),
});
