import { z } from "zod";
import { IP_ADDRESS, isIpAddress } from "../../config/mod.ts";
import { defineKind, documentSchema } from "../define.ts";
import { ignored, object, optional, port, portName, refuse, section, text, withDefault } from "../field.ts";

const conditions = object({
  ready: optional(z.boolean()),
  serving: optional(z.boolean()),
  terminating: optional(z.boolean()),
});

const targetRef = object({
  kind: optional(z.string()),
  namespace: optional(z.string()),
  name: optional(z.string()),
  uid: ignored(),
  apiVersion: ignored(),
  resourceVersion: ignored(),
  fieldPath: ignored(),
});

const endpoint = object({
  addresses: z.array(text(IP_ADDRESS, isIpAddress)).min(1, "a list with an address"),
  conditions: section(conditions),
  targetRef: optional(targetRef),
  hostname: ignored(),
  nodeName: ignored(),
  zone: optional(z.string()),
  hints: ignored(),
  deprecatedTopology: ignored(),
});

const slicePort = object({
  name: withDefault(portName(), ""),
  port: port(),
  protocol: withDefault(z.enum(["TCP", "UDP", "SCTP"]), "TCP"),
  appProtocol: ignored(),
});

export const endpointSlice = defineKind({
  kind: "EndpointSlice",
  apiVersions: ["discovery.k8s.io/v1"],
  scope: "Namespaced",
  schema: documentSchema({
    addressType: z.enum(["IPv4", "IPv6", "FQDN"]).superRefine((type, context) => {
      if (type === "FQDN") refuse(context, "addressType FQDN");
    }),
    endpoints: withDefault(z.array(endpoint), []),
    ports: withDefault(z.array(slicePort), []),
  }),
  summary: ({ endpoints }) => `${endpoints.length} endpoints`,
});
