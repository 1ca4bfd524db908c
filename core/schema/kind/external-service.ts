import { z } from "zod";
import { isDnsSubdomain, isIpAddress } from "../../config/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import {
  distinct,
  dnsLabel,
  dnsSubdomain,
  expect,
  object,
  optional,
  port,
  portName,
  text,
  wholeNumber,
  withDefault,
} from "../field.ts";

const HOST = 'a host name in lower case like "api.example.com" or "*.example.com"';
const host = () =>
  text(HOST, (name) => isDnsSubdomain(name.replace(/^\*\./, "")) && /[a-z]/.test(name.replace(/^\*\./, "")));

const servicePort = object({
  name: withDefault(portName(), ""),
  /** Port that callers name. */
  port: port(),
  /** Port that is dialled; left out, the same. */
  targetPort: optional(port()),
  protocol: withDefault(z.enum(["http", "http2", "grpc", "tcp", "tls"]), "http"),
});

const endpoint = object({
  /** IP address, or with resolution DNS a name. */
  address: text("an IP address or a host name", (given) => isIpAddress(given) || isDnsSubdomain(given)),
  weight: withDefault(wholeNumber(1, 1_000_000), 1),
});

const tls = object({
  /** Name for SNI and for the certificate; left out, the first host, or with wildcards the request's. */
  serverName: optional(dnsSubdomain()),
  /** PEM of the roots to trust; left out, the system's. */
  roots: optional(text("PEM certificates", (pem) => pem.includes("-----BEGIN CERTIFICATE-----"))),
  subjectAltNames: withDefault(
    z.array(
      object({ type: z.enum(["Hostname", "URI"]), value: text("a host name or a URI", (given) => given !== "") }),
    ),
    [],
  ),
});

const spec = object({
  hosts: z.array(host()).min(1, "a list with a host"),
  ports: distinct(distinct(z.array(servicePort).min(1, "a list with a port"), "port"), "name"),
  resolution: withDefault(z.enum(["DNS", "Static"]), "DNS"),
  /** Where the hosts are; left out, what their names resolve to. */
  endpoints: withDefault(z.array(endpoint), []),
  /** TLS toward the endpoints of ports whose protocol is http, http2 or grpc. */
  tls: optional(tls),
}).superRefine(({ hosts, resolution, endpoints }, context) => {
  if (resolution === "Static" && endpoints.length === 0)
    expect(context, "a list with an endpoint, where resolution is Static", ["endpoints"]);
  for (const [i, { address }] of endpoints.entries())
    if (resolution === "Static" && !isIpAddress(address))
      expect(context, "an IP address, where resolution is Static", ["endpoints", i, "address"]);
  if (!hosts.some((name) => name.startsWith("*.")) || endpoints.length > 0) return;
  // Each request names its own destination then.
  if (hosts.some((name) => !name.startsWith("*.")))
    expect(context, "wildcard hosts alone, or with endpoints: each of them is looked up by itself", ["hosts"]);
});

export const externalService = defineKind({
  kind: "ExternalService",
  apiVersions: ["mesh.dev/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }, dnsLabel()),
  summary: ({ spec }) => `${spec.hosts.join(", ")} ports ${spec.ports.map(({ port }) => port).join(", ")}`,
});
