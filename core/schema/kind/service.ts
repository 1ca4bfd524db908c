import { z } from "zod";
import { isDnsLabel, isPort, PORT } from "../../config/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import {
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

const spec = object({
  ports: withDefault(z.array(servicePort), []),
  selector: withDefault(record(text("text (put it in quotes)")), {}),
  type: withDefault(z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]), "ClusterIP").superRefine(
    (type, context) => {
      if (type === "ExternalName") refuse(context, "a Service of type ExternalName");
    },
  ),
  clusterIP: ignored(),
  clusterIPs: ignored(),
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
  schema: documentSchema({ spec: spec.superRefine(distinctPorts) }, dnsLabel()),
  summary: ({ spec }) => `ports ${spec.ports.map(({ port }) => port).join(", ") || "none"}`,
});

/** A number or a name given to two ports would make one of them unreachable. */
function distinctPorts({ ports }: z.output<typeof spec>, context: z.RefinementCtx): void {
  const numbers = new Set<string>();
  const names = new Set<string>();
  for (const [i, { name, port, protocol }] of ports.entries()) {
    const number = `${protocol}/${port}`;
    if (numbers.has(number)) context.addIssue(again(["ports", i, "port"], "a port that no other port of the list has"));
    if (names.has(name)) context.addIssue(again(["ports", i, "name"], "a name that no other port of the list has"));
    numbers.add(number);
    names.add(name);
  }
}

function again(path: (string | number)[], message: string) {
  return { code: "custom" as const, path, message };
}
