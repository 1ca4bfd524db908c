import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import { expect, object, optional, text, withDefault } from "../field.ts";
import { group, hostname, kindName, list, objectName, options, preciseHostname, sectionName } from "./gateway-field.ts";
import { localRef } from "./reference.ts";

const targetRef = object({
  group: group(),
  kind: kindName(),
  name: objectName(),
  /** A port of the Service, by its name. */
  sectionName: optional(sectionName()),
});

const targetRefs = list(targetRef, "targets", { from: 1, to: 16 }).superRefine((refs, context) => {
  const first = new Map<string, boolean>();
  const seen = new Set<string>();
  for (const [i, { group, kind, name, sectionName }] of refs.entries()) {
    const target = JSON.stringify([group, kind, name]);
    const hasSection = sectionName !== undefined;
    if ((first.get(target) ?? hasSection) !== hasSection)
      expect(context, "a target with sectionName where another entry for the same object has one", [i]);
    else if (seen.has(`${target} ${sectionName ?? ""}`))
      expect(context, "a target that no other entry of the list is", [i]);
    first.set(target, hasSection);
    seen.add(`${target} ${sectionName ?? ""}`);
  }
});

const URI = /^[^:/?#]+:\/\/[^/?#]*[^?#]*(\?[^#]*)?(#.*)?$/;
const URI_LIMIT = 253;

const subjectAltName = object({
  type: z.enum(["Hostname", "URI"]),
  hostname: optional(hostname()),
  uri: optional(
    text('a URI like "spiffe://cluster.local/ns/default/sa/web"', (uri) => uri.length <= URI_LIMIT && URI.test(uri)),
  ),
}).superRefine(({ type, hostname, uri }, context) => {
  const isHostname = type === "Hostname";
  if (isHostname && hostname === undefined) expect(context, "a host name, as the type is Hostname", ["hostname"]);
  if (!isHostname && hostname !== undefined) expect(context, "left out: the type is URI", ["hostname"]);
  if (!isHostname && uri === undefined) expect(context, "a URI, as the type is URI", ["uri"]);
  if (isHostname && uri !== undefined) expect(context, "left out: the type is Hostname", ["uri"]);
});

const validation = object({
  caCertificateRefs: withDefault(list(localRef, "certificates", { to: 8 }), []),
  wellKnownCACertificates: optional(z.enum(["System"])),
  hostname: preciseHostname(),
  subjectAltNames: withDefault(list(subjectAltName, "names", { to: 5 }), []),
}).superRefine(({ caCertificateRefs, wellKnownCACertificates }, context) => {
  if (caCertificateRefs.length > 0 === (wellKnownCACertificates !== undefined))
    expect(context, "an object with either caCertificateRefs or wellKnownCACertificates");
});

const spec = object({ targetRefs, validation, options: withDefault(options(), {}) });

export const backendTlsPolicy = defineKind({
  kind: "BackendTLSPolicy",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha3"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) =>
    `${spec.validation.hostname} at ${spec.targetRefs.map(({ kind, name }) => `${kind}/${name}`).join(", ")}`,
});
