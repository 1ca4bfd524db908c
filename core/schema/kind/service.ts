import { z } from "zod";
import { IP_ADDRESS, isDnsLabel, isIpAddress, isPort, PORT } from "../../config/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import {
  distinct,
  dnsLabel,
  ignored,
  object,
  optional,
  port,
  portName,
  record,
  refuse,
  text,
  value,
  withDefault,
} from "../field.ts";

const targetPort = () =>
  value(`${PORT}, or the name of one`, (input) => (isPort(input) || isDnsLabel(input) ? input : null));

const servicePort = object({
  name: withDefault(portName(), ""),
  port: port(),
  targetPort: optional(targetPort()),
  protocol: withDefault(z.enum(["TCP", "UDP", "SCTP"]), "TCP"),
  appProtocol: optional(text("text (put it in quotes)")),
  nodePort: ignored(),
});

/** A number or a name given to two ports would make one of them unreachable. */
const ports = distinct(
  distinct(z.array(servicePort), "name"),
  "port",
  ({ port, protocol }) => `${protocol ?? "TCP"}/${port}`,
);

const virtualAddress = () =>
  text(`${IP_ADDRESS}, or None`, (input) => input === "" || input === "None" || isIpAddress(input));

const spec = object({
  ports: withDefault(ports, []),
  selector: withDefault(record(text("text (put it in quotes)")), {}),
  type: withDefault(z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]), "ClusterIP").superRefine(
    (type, context) => {
      if (type === "ExternalName") refuse(context, "a Service of type ExternalName");
    },
  ),
  /** Virtual address: connections to it are for the Service. */
  clusterIP: optional(virtualAddress()),
  clusterIPs: withDefault(z.array(virtualAddress()), []),
  sessionAffinity: ignored(),
  sessionAffinityConfig: ignored(),
  externalIPs: ignored(),
  externalName: ignored(),
  externalTrafficPolicy: ignored(),
  internalTrafficPolicy: ignored(),
  trafficDistribution: ignored(),
  healthCheckNodePort: ignored(),
  publishNotReadyAddresses: ignored(),
  ipFamilies: ignored(),
  ipFamilyPolicy: ignored(),
  loadBalancerIP: ignored(),
  loadBalancerClass: ignored(),
  loadBalancerSourceRanges: ignored(),
  allocateLoadBalancerNodePorts: ignored(),
});

export const service = defineKind({
  kind: "Service",
  apiVersions: ["v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }, dnsLabel()),
  summary: ({ spec }) => `ports ${spec.ports.map(({ port }) => port).join(", ") || "none"}`,
});
