import { compareText, isIpAddress } from "../config/mod.ts";
import { DEFAULT_NAMESPACE, type DocumentOf } from "../schema/mod.ts";
import type { Report } from "./report.ts";
import type { Subset } from "./traffic-policy.ts";
import type { Membership, Workload, WorkloadPort } from "./workload.ts";

export type Protocol = "http" | "tcp" | "udp";

/** A Service of a document, or one that workloads imply by naming it. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly document: DocumentOf<"Service"> | null;
  /** Set for one outside the mesh: where it is. */
  readonly external: DocumentOf<"ExternalService">["body"]["spec"] | null;
  readonly ports: readonly ServicePort[];
  readonly members: ReadonlySet<Workload>;
  /** Named groups of its members. */
  readonly subsets: readonly Subset[];
}

export interface ServicePort {
  readonly port: number;
  readonly name: string;
  /** Number or name of the workload's port; null where none was written. */
  readonly targetPort: number | string | null;
  readonly protocol: Protocol;
  /** Declared to be HTTP/2, or what runs on it. */
  readonly http2: boolean;
}

/** All Services by `<namespace>/<name>`, sorted. */
export function servicesOf(
  documents: readonly DocumentOf<"Service">[],
  membership: Membership,
  report: Report,
): ReadonlyMap<string, Service> {
  const services = documents.map((document) => ofDocument(document, membership, report));
  const written = new Set(services.map(serviceKey));
  for (const [key, workloads] of membership.named()) if (!written.has(key)) services.push(implied(key, workloads));
  services.sort((a, b) => compareText(serviceKey(a), serviceKey(b)));
  return new Map(services.map((service) => [serviceKey(service), service]));
}

export function serviceKey({ namespace, name }: Pick<Service, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

/** Name of the cluster behind a port of a Service, or of a subset of it. */
export function clusterName(service: Pick<Service, "namespace" | "name">, port: number | string, subset = ""): string {
  return `${service.namespace}/${service.name}:${port}${subset === "" ? "" : `/${subset}`}`;
}

/** Name of the cluster behind a port: one for TCP and one for UDP may have the same number. */
export function portCluster(
  service: Pick<Service, "namespace" | "name">,
  { port, protocol }: Pick<ServicePort, "port" | "protocol">,
  subset = "",
): string {
  return clusterName(service, protocol === "udp" ? `${port}-udp` : port, subset);
}

type Named = Pick<Service, "namespace" | "name"> & Partial<Pick<Service, "external" | "document">>;

/** The name a Service has in metrics: the one Kubernetes gives it, or its own outside the mesh. */
export function serviceHost({ namespace, name, external = null }: Named): string {
  if (external !== null) return external.hosts[0]!;
  return `${name}.${namespace}.svc.cluster.local`;
}

/**
 * Every name that means a Service to all callers, its virtual addresses too. The short name alone belongs
 * to the namespace `default`; callers of another namespace know the Services
 * of their own by it, which is for whoever knows the caller to add.
 */
export function hostsOf(service: Named): readonly string[] {
  const { namespace, name, external = null, document = null } = service;
  if (external !== null) return external.hosts;
  const long = `${name}.${namespace}`;
  const hosts = [long, `${long}.svc`, serviceHost(service), `${long}.mesh`, ...virtualAddresses(document)];
  return namespace === DEFAULT_NAMESPACE ? [name, ...hosts] : hosts;
}

/** As they stand in an authority; a headless Service has none. */
function virtualAddresses(document: Service["document"]): readonly string[] {
  const { clusterIP, clusterIPs = [] } = document?.body.spec ?? {};
  const addresses = [...new Set([clusterIP ?? "", ...clusterIPs])].filter(isIpAddress);
  return addresses.map((address) => (address.includes(":") ? `[${address.toLowerCase()}]` : address));
}

function ofDocument(document: DocumentOf<"Service">, membership: Membership, report: Report): Service {
  const { name, namespace, body } = document;
  const ports: ServicePort[] = [];
  for (const [i, { port, name, targetPort, protocol, appProtocol }] of body.spec.ports.entries()) {
    const own = { port, name, targetPort: targetPort ?? null };
    if (protocol === "TCP") ports.push({ ...own, ...spokenOf(appProtocol ?? "", name) });
    else if (protocol === "UDP") ports.push({ ...own, ...DATAGRAMS });
    else
      report.warn(
        document,
        ["spec", "ports", i, "protocol"],
        `${protocol} is not supported by this version: the port is left out`,
      );
  }
  // Whoever asks for a number means TCP where a port for UDP has it too.
  ports.sort((a, b) => Number(a.protocol === "udp") - Number(b.protocol === "udp"));
  return {
    namespace,
    name,
    document,
    external: null,
    ports,
    members: membership.of(namespace, name, body.spec.selector),
    subsets: [],
  };
}

/** A Service nobody wrote: the ports of its workloads, each number once, the first workload's word for its protocol. */
function implied(key: string, workloads: readonly Workload[]): Service {
  const [namespace = "", name = ""] = key.split("/");
  const ports = new Map<string, ServicePort>();
  for (const own of workloads.flatMap((workload) => workload.ports)) {
    const { port, name, protocol } = own;
    const spoken = isUdp(own) ? DATAGRAMS : spokenOf(protocol, name);
    const key = `${port} ${isUdp(own)}`;
    if (!ports.has(key)) ports.set(key, { port, name, targetPort: null, ...spoken });
  }
  const sorted = [...ports.values()].sort((a, b) => a.port - b.port);
  return { namespace, name, document: null, external: null, ports: sorted, members: new Set(workloads), subsets: [] };
}

const DATAGRAMS = { protocol: "udp", http2: false } as const;

/** True for a port of a workload that takes datagrams: no sidecar stands before it. */
export function isUdp({ protocol }: Pick<WorkloadPort, "protocol">): boolean {
  return protocol === "udp";
}

const HTTP = new Set(["http", "http2", "h2c", "grpc", "ws"]);
const HTTP2 = new Set(["http2", "h2c", "grpc"]);
const TCP = new Set([
  "tcp",
  "tls",
  "https",
  "wss",
  "grpc-web-tls",
  "mongo",
  "mysql",
  "postgres",
  "redis",
  "amqp",
  "kafka",
]);

/** What is said over a connection to a port. */
export interface Spoken {
  readonly protocol: "http" | "tcp";
  readonly http2: boolean;
}

/** What a port speaks: the protocol, and whether it is HTTP/2 from the first byte on. */
export function spokenOf(appProtocol: string, name: string): Spoken {
  const protocol = protocolOf(appProtocol, name);
  const declared = appProtocol.toLowerCase().replace(/^kubernetes\.io\//, "");
  const word = HTTP.has(declared) ? declared : (name.split("-", 1)[0] ?? "");
  // grpc-web runs on HTTP/1.1, whatever its first word.
  return { protocol, http2: protocol === "http" && HTTP2.has(word) && !/^grpc-web(-|$)/.test(name) };
}

/** How a port is spoken: by `appProtocol`, else by its name up to the first dash, else HTTP. */
export function protocolOf(appProtocol: string, name: string): Spoken["protocol"] {
  const declared = appProtocol.toLowerCase().replace(/^kubernetes\.io\//, "");
  const prefix = name.split("-", 1)[0] ?? "";
  for (const word of [declared, prefix]) {
    if (HTTP.has(word)) return "http";
    if (TCP.has(word)) return "tcp";
  }
  // A protocol we have no name for is bytes to us; no protocol at all is what most services speak.
  return declared === "" || declared === "grpc-web" ? "http" : "tcp";
}

/**
 * The port of a workload behind a port of a Service: the one `targetPort`
 * gives by number or name; without one, the port of the same number, else of
 * the same name, else the only one a workload has that names the Service.
 */
export function portBehind(workload: Workload, service: Service, port: ServicePort): WorkloadPort | null {
  const ports = portsFor(workload, port);
  const target = port.targetPort;
  if (typeof target === "number") return ports.find((own) => own.port === target) ?? null;
  if (typeof target === "string") return ports.find((own) => own.name === target) ?? null;
  const same =
    ports.find((own) => own.port === port.port) ?? ports.find((own) => own.name !== "" && own.name === port.name);
  if (same !== undefined) return same;
  return workload.service === service.name && ports.length === 1 && service.ports.length === 1 ? ports[0]! : null;
}

/** Those of the same transport; one that says nothing may be for datagrams too. */
function portsFor({ ports }: Workload, { protocol }: ServicePort): readonly WorkloadPort[] {
  if (protocol !== "udp") return ports.some(isUdp) ? ports.filter((own) => !isUdp(own)) : ports;
  return [...ports.filter(isUdp), ...ports.filter((own) => own.protocol === "")];
}
