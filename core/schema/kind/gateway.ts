import { z } from "zod";
import { IP_ADDRESS, isIpAddress } from "../../config/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import { distinct, expect, object, optional, port, text, withDefault } from "../field.ts";
import { hostname, infrastructureLabels, list, namespaces, objectName, options } from "./gateway-field.ts";
import { listeners } from "./listener.ts";
import { localRef, objectRef, secretRef } from "./reference.ts";

const ADDRESS_TYPE =
  /^(Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+)$/;
const ADDRESS_LIMIT = 253;

/** Without a value: any address of the type. Whether it can be had is not for the schema to say. */
const address = object({
  type: withDefault(
    text('IPAddress, Hostname or a type like "example.com/own"', (type) => ADDRESS_TYPE.test(type)),
    "IPAddress",
  ),
  value: withDefault(
    text(`an address of at most ${ADDRESS_LIMIT} characters`, (value) => value.length <= ADDRESS_LIMIT),
    "",
  ),
}).superRefine(({ type, value }, context) => {
  if (type === "Hostname" && value !== "" && !hostname().safeParse(value).success)
    expect(context, 'a host name like "example.com"', ["value"]);
  if (type === "IPAddress" && value !== "" && !isIpAddress(value)) expect(context, IP_ADDRESS, ["value"]);
});

const addresses = list(address, "addresses", { to: 16 }).superRefine((all, context) => {
  const seen = new Set<string>();
  for (const [i, { type, value }] of all.entries()) {
    if (value === "") continue;
    if (seen.has(`${type} ${value}`)) expect(context, "an address that no other entry of the list has", [i, "value"]);
    seen.add(`${type} ${value}`);
  }
});

const validation = object({
  caCertificateRefs: list(objectRef, "certificates", { from: 1, to: 8 }),
  mode: withDefault(z.enum(["AllowValidOnly", "AllowInsecureFallback"]), "AllowValidOnly"),
});

/** How clients are asked to prove themselves. */
const frontend = object({
  default: object({ validation: optional(validation) }),
  perPort: withDefault(
    distinct(
      list(object({ port: port(), tls: object({ validation: optional(validation) }) }), "ports", { to: 64 }),
      "port",
    ),
    [],
  ),
});

const tls = object({
  frontend: optional(frontend),
  backend: optional(object({ clientCertificateRef: optional(secretRef) })),
});

const spec = object({
  gatewayClassName: objectName(),
  listeners,
  addresses: withDefault(addresses, []),
  infrastructure: optional(
    object({
      labels: withDefault(infrastructureLabels(), {}),
      annotations: withDefault(options(), {}),
      parametersRef: optional(localRef),
    }),
  ),
  allowedListeners: optional(
    object({
      namespaces: withDefault(namespaces(withDefault(z.enum(["All", "Selector", "Same", "None"]), "None")), {
        from: "None",
        selector: undefined,
      }),
    }),
  ),
  tls: optional(tls),
  /** Routes that ask for a default Gateway are attached to it. */
  defaultScope: withDefault(z.enum(["All", "None"]), "None"),
});

export const gateway = defineKind({
  kind: "Gateway",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) =>
    `class ${spec.gatewayClassName}, ${spec.listeners.map(({ port, protocol }) => `${protocol} ${port}`).join(", ")}`,
});
