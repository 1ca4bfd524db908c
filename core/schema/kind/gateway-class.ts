import { defineKind, documentSchema } from "../define.ts";
import { object, optional, text } from "../field.ts";
import { objectRef } from "./reference.ts";

const CONTROLLER = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;
const CONTROLLER_LIMIT = 253;
const DESCRIPTION_LIMIT = 64;

const spec = object({
  controllerName: text(
    'a controller like "example.com/gateway-controller"',
    (name) => name.length <= CONTROLLER_LIMIT && CONTROLLER.test(name),
  ),
  parametersRef: optional(objectRef),
  description: optional(
    text(`text of at most ${DESCRIPTION_LIMIT} characters`, (line) => line.length <= DESCRIPTION_LIMIT),
  ),
});

export const gatewayClass = defineKind({
  kind: "GatewayClass",
  apiVersions: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"],
  scope: "Cluster",
  schema: documentSchema({ spec }),
  summary: ({ spec }) => spec.controllerName,
});
