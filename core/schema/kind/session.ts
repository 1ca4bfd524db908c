import { z } from "zod";
import { duration, expect, object, optional, text, withDefault } from "../field.ts";

const NAME_LIMIT = 128;
const NAME = `a name of at most ${NAME_LIMIT} characters that a cookie or a header may have`;

/** GEP-1619: requests of one session go to one endpoint. */
export const sessionPersistence = object({
  sessionName: optional(text(NAME, (name) => name.length <= NAME_LIMIT && /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(name))),
  absoluteTimeout: optional(duration()),
  idleTimeout: optional(duration()),
  type: withDefault(z.enum(["Cookie", "Header"]), "Cookie"),
  cookieConfig: optional(object({ lifetimeType: withDefault(z.enum(["Permanent", "Session"]), "Session") })),
}).superRefine(({ cookieConfig, absoluteTimeout, type }, context) => {
  if (cookieConfig?.lifetimeType === "Permanent" && absoluteTimeout === undefined)
    expect(context, "a duration, as lifetimeType is Permanent", ["absoluteTimeout"]);
  if (type === "Header" && cookieConfig !== undefined)
    expect(context, "left out: the type is Header", ["cookieConfig"]);
});
