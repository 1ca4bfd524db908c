import { z } from "zod";
import { dnsSubdomain, expect, object, optional } from "./field.ts";

/** Kinds that policies attach to, with their groups. */
const TARGET_GROUPS = {
  Service: "",
  ExternalService: "mesh.dev",
  HTTPRoute: "gateway.networking.k8s.io",
  GRPCRoute: "gateway.networking.k8s.io",
} as const;

type TargetKind = keyof typeof TARGET_GROUPS;

/** `spec.targetRefs` of a policy (Gateway API, policy attachment): in its own namespace, and one at least. */
export function policyTargets(kinds: readonly TargetKind[] = ["Service", "ExternalService", "HTTPRoute", "GRPCRoute"]) {
  const targetRef = object({
    group: optional(z.string()),
    kind: z.enum(kinds as [TargetKind, ...TargetKind[]]),
    name: dnsSubdomain(),
    /** A port of a Service by name, or a named rule of a route. */
    sectionName: optional(dnsSubdomain()),
  }).superRefine(({ group, kind }, context) => {
    const wanted = TARGET_GROUPS[kind] ?? "";
    if (group !== undefined && group !== wanted) expect(context, `"${wanted}", the group of ${kind}`, ["group"]);
  });
  return z.array(targetRef).min(1, "a list with what it is attached to");
}
