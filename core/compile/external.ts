import type { BackendTlsModel, ClusterModel, EndpointModel } from "../cluster/mod.ts";
import { isIpAddress } from "../config/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import type { Report } from "./report.ts";
import { type Service, type ServicePort, serviceKey, spokenOf } from "./service.ts";

export type ExternalDocument = DocumentOf<"ExternalService">;
type ExternalSpec = ExternalDocument["body"]["spec"];

/** Services outside the mesh, beside those in it: routes and policies refer to both in the same way. */
export function withExternal(
  services: ReadonlyMap<string, Service>,
  documents: readonly ExternalDocument[],
  report: Report,
): ReadonlyMap<string, Service> {
  const all = new Map(services);
  const hosts = new Map<string, string>();
  for (const document of documents) {
    const key = serviceKey(document);
    if (all.has(key)) {
      const message = `must differ from that of a Service: there is a Service ${key}`;
      report.error(document, ["metadata", "name"], message, { found: document.name });
      continue;
    }
    warnOfTakenHosts(document, hosts, report);
    all.set(key, serviceOf(document));
  }
  return all;
}

function warnOfTakenHosts(document: ExternalDocument, hosts: Map<string, string>, report: Report): void {
  for (const [i, host] of document.body.spec.hosts.entries()) {
    const owner = hosts.get(host);
    if (owner === undefined) hosts.set(host, serviceKey(document));
    else report.warn(document, ["spec", "hosts", i], `has no effect: ExternalService ${owner} has the host ${host}`);
  }
}

function serviceOf({ namespace, name, body }: ExternalDocument): Service {
  const ports = body.spec.ports.map(({ port, name, targetPort = null, protocol }) => ({
    ...{ port, name, targetPort },
    ...spokenOf(protocol, name),
  }));
  return { namespace, name, document: null, external: body.spec, ports, members: new Set(), subsets: [] };
}

/** Whether each request is looked up by the host it names. */
export function isByRequest({ hosts, endpoints }: ExternalSpec): boolean {
  return endpoints.length === 0 && hosts.some((host) => host.startsWith("*."));
}

/** What the cluster of a port outside the mesh is made of. */
export function externalParts(
  service: Service & { readonly external: ExternalSpec },
  port: ServicePort,
): Pick<ClusterModel, "endpoints" | "resolve" | "tls"> {
  const { external } = service;
  const tls = external.tls !== undefined && port.protocol === "http" ? { tls: tlsOf(external, external.tls) } : {};
  const target = typeof port.targetPort === "number" ? port.targetPort : port.port;
  if (isByRequest(external)) return { endpoints: [], resolve: { type: "Request", port: target }, ...tls };
  const places =
    external.endpoints.length > 0 ? external.endpoints : external.hosts.map((address) => ({ address, weight: 1 }));
  if (places.every(({ address }) => isIpAddress(address)))
    return { endpoints: places.map((place) => endpointOf(service, place, target)), ...tls };
  const names = places.map(({ address, weight }) => ({ host: address, port: target, weight }));
  return { endpoints: [], resolve: { type: "Names", names }, ...tls };
}

function endpointOf(
  { namespace, name }: Service,
  { address, weight }: { readonly address: string; readonly weight: number },
  port: number,
): EndpointModel {
  return { address, port, weight, workload: { name: address, namespace, app: name, version: "unknown" } };
}

function tlsOf(external: ExternalSpec, tls: NonNullable<ExternalSpec["tls"]>): BackendTlsModel {
  const { serverName, roots, subjectAltNames } = tls;
  return {
    // The host of a request that a wildcard takes is known when it comes.
    serverName: serverName ?? (isByRequest(external) ? "" : external.hosts[0]!.replace(/^\*\./, "")),
    ...(roots === undefined ? {} : { roots }),
    ...(subjectAltNames.length === 0 ? {} : { names: subjectAltNames }),
  };
}
