import { z } from "zod";
import { ALWAYS, duration, expect, object, optional, text, value, wholeNumber, withDefault } from "../field.ts";

/** A duration that is one. */
export const time = () =>
  value('a duration above 0 like "10s" or "500ms"', (input) => {
    const ms = duration().safeParse(input);
    return ms.success && ms.data > 0 ? ms.data : null;
  });

const status = () => wholeNumber(100, 599);

/** How an endpoint is asked whether it lives. */
export const healthCheck = object({
  http: optional(
    object({
      path: withDefault(
        text("a path", (path) => /^\/[\x21-\x7e]*$/.test(path)),
        "/",
      ),
      host: optional(text("a host", (host) => /^[\w.:[\]-]+$/.test(host))),
      statuses: optional(z.array(status()).min(1, "a list of statuses")),
    }),
  ),
  tcp: optional(object({})),
  grpc: optional(
    object({
      service: withDefault(
        text("the name of a service", (name) => /^[\w./-]{0,255}$/.test(name)),
        "",
      ),
    }),
  ),
  interval: withDefault(time(), 10_000),
  timeout: withDefault(time(), 1_000),
  healthyAfter: withDefault(wholeNumber(1, 100), 2),
  unhealthyAfter: withDefault(wholeNumber(1, 100), 3),
}).superRefine(({ http, tcp, grpc }, context) => {
  const given = [http, tcp, grpc].filter((way) => way !== undefined);
  if (given.length !== 1) expect(context, "exactly one of http, tcp and grpc");
}, ALWAYS);
