import type { Catalog } from "../catalog.ts";
import type { Report } from "../report.ts";
import { CONTROLLER_NAME } from "../status.ts";

/** The class that is there without a document. */
export const DEFAULT_CLASS = "mesh";

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
