import type { DocumentOf } from "../../schema/mod.ts";
import type { Catalog } from "../catalog.ts";
import type { Report } from "../report.ts";
import { CONTROLLER_NAME } from "../status.ts";
import type { GatewayDocument } from "./model.ts";

/** The class that is there without a document. */
const DEFAULT_CLASS = "mesh";

/** Gateways of other controllers are left alone. */
export function ownGateways(
  catalog: Catalog,
  classes: readonly DocumentOf<"GatewayClass">[],
): readonly GatewayDocument[] {
  const names = new Set(classes.filter(isAcceptable).map(({ name }) => name));
  if (catalog.find("GatewayClass", "", DEFAULT_CLASS) === null) names.add(DEFAULT_CLASS);
  return catalog.all("Gateway").filter(({ body }) => names.has(body.spec.gatewayClassName));
}

export function isAcceptable({ body }: DocumentOf<"GatewayClass">): boolean {
  return body.spec.parametersRef === undefined;
}

/** Tells of Gateways whose class nobody wrote, and of classes of the mesh that it does not accept. */
export function warnOfClasses(catalog: Catalog, report: Report): void {
  for (const gateway of catalog.all("Gateway")) {
    const { gatewayClassName } = gateway.body.spec;
    if (gatewayClassName === DEFAULT_CLASS || catalog.find("GatewayClass", "", gatewayClassName) !== null) continue;
    const message = `must name a GatewayClass: there is no ${gatewayClassName}, and the mesh serves ${DEFAULT_CLASS}`;
    report.warn(gateway, ["spec", "gatewayClassName"], message, { found: gatewayClassName });
  }
  for (const document of catalog.all("GatewayClass")) {
    const { controllerName, parametersRef } = document.body.spec;
    if (controllerName !== CONTROLLER_NAME || parametersRef === undefined) continue;
    const message = "must be left out: there are no parameters here, and the class is not accepted";
    report.warn(document, ["spec", "parametersRef"], message);
  }
}
