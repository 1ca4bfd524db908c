import { z } from "zod";
import { parseLocality } from "../../cluster/mod.ts";
import { IP_ADDRESS, isIpAddress } from "../../config/mod.ts";
import { readSpiffeId } from "../../identity/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import { dnsLabel, labels, object, optional, port, portName, text, wholeNumber, withDefault } from "../field.ts";

import { healthCheck } from "./health-check.ts";

/** A workload's id has a path; without one it names the trust domain itself. */
function isWorkloadId(text: string): boolean {
  return (readSpiffeId(text)?.path ?? "") !== "";
}

const workloadPort = object({
  name: withDefault(portName(), ""),
  /** Port of the app. */
  port: port(),
  /** How the app speaks, where the name of the port does not say it. */
  protocol: optional(z.enum(["http", "http2", "grpc", "tcp", "tls", "udp"])),
  /** Port on which its sidecar takes what is meant for the app; left out, callers dial the app's port. */
  inboundPort: optional(port()),
});

const spec = object({
  address: text(IP_ADDRESS, isIpAddress),
  ports: withDefault(z.array(workloadPort), []),
  labels: withDefault(labels(), {}),
  /** What its sidecar must prove. Left out: no sidecar, plaintext. */
  identity: optional(text('a SPIFFE ID like "spiffe://cluster.local/ns/default/sa/web"', isWorkloadId)),
  locality: optional(text('a locality like "eu/eu-1a"', (locality) => parseLocality(locality) !== null)),
  /** Share of requests relative to others of the Service; 0 takes it out. */
  weight: withDefault(wholeNumber(0, 1_000_000), 1),
  /** How callers ask whether it lives; it counts before what a TrafficPolicy says of its Service. */
  healthCheck: optional(healthCheck),
  /** Service it belongs to, beside those whose selector finds its labels. */
  service: optional(dnsLabel()),
});

export const workload = defineKind({
  kind: "Workload",
  apiVersions: ["mesh.dev/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => `${spec.address} ports ${spec.ports.map(({ port }) => port).join(", ") || "none"}`,
});
