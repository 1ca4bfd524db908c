import { z } from "zod";
import { problemOfTrustDomain } from "../../identity/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import { duration, object, section, text, withDefault } from "../field.ts";

/** The trust domain of a mesh that names none. */
export const DEFAULT_TRUST_DOMAIN = "cluster.local";

const trustDomain = () =>
  text(
    "a trust domain of lower-case letters, digits, ., - and _, at most 255",
    (name) => problemOfTrustDomain(name) === null,
  );

const spec = object({
  trustDomain: withDefault(trustDomain(), DEFAULT_TRUST_DOMAIN),
  trustDomainAliases: withDefault(z.array(trustDomain()), []),
  mtls: section(object({ mode: withDefault(z.enum(["STRICT", "PERMISSIVE"]), "STRICT") })),
  egress: section(object({ policy: withDefault(z.enum(["ALLOW_ANY", "REGISTRY_ONLY"]), "ALLOW_ANY") })),
  /** No deadline on a whole request unless one is given: streams and long polls are requests too. */
  timeouts: section(object({ request: withDefault(duration(), 0) })),
});

export const mesh = defineKind({
  kind: "Mesh",
  apiVersions: ["mesh.dev/v1"],
  scope: "Cluster",
  schema: documentSchema({ spec: section(spec) }),
  summary: ({ spec }) => `${spec.trustDomain}, mTLS ${spec.mtls.mode}, egress ${spec.egress.policy}`,
});
