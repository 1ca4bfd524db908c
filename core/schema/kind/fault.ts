import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import { ALWAYS, duration, expect, object, optional, value, wholeNumber, withDefault } from "../field.ts";
import { policyTargets } from "../target.ts";
import { httpMatch } from "./http-match.ts";

const percent = () =>
  value("a number above 0, up to 100", (input) =>
    typeof input === "number" && input > 0 && input <= 100 ? input : null,
  );

const delay = object({ fixed: duration(), percent: withDefault(percent(), 100) });

const abort = object({
  status: optional(wholeNumber(200, 599)),
  /** For gRPC calls, beside or instead of the status. */
  grpcStatus: optional(wholeNumber(1, 16)),
  percent: withDefault(percent(), 100),
}).superRefine(({ status, grpcStatus }, context) => {
  if (status === undefined && grpcStatus === undefined) expect(context, "a status or a grpcStatus", ["status"]);
}, ALWAYS);

const spec = object({
  targetRefs: policyTargets(),
  /** Requests that it meets; left out, all of them. */
  matches: withDefault(z.array(httpMatch), []),
  delay: optional(delay),
  abort: optional(abort),
}).superRefine((given, context) => {
  if (given.delay === undefined && given.abort === undefined) expect(context, "a delay or an abort", ["delay"]);
}, ALWAYS);

export const fault = defineKind({
  kind: "Fault",
  apiVersions: ["mesh.dev/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => {
    const what = [
      spec.delay === undefined ? [] : [`delay ${spec.delay.percent} %`],
      spec.abort === undefined ? [] : [`abort ${spec.abort.percent} %`],
    ].flat();
    return `${what.join(", ")} on ${spec.targetRefs.map((ref) => `${ref.kind}/${ref.name}`).join(", ")}`;
  },
});
