import { type HealthCheckModel, type Locality, parseLocality, type WorkloadLabels } from "../cluster/mod.ts";
import { compareText, type Labels, selects } from "../config/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import { healthCheckOf } from "./health-check.ts";
import type { Registration } from "./model.ts";

/** A workload, whether a document or its proxy told of it. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  /** Null without a sidecar. */
  readonly identity: string | null;
  readonly labels: Labels;
  /** Null where nobody told it. */
  readonly locality: Locality | null;
  /** Null where its document says none. */
  readonly healthCheck: HealthCheckModel | null;
  readonly weight: number;
  /** Service it names itself; empty without one. */
  readonly service: string;
  readonly ports: readonly WorkloadPort[];
  /** When it was last heard of; null for a document. */
  readonly confirmedAt: number | null;
}

export interface WorkloadPort {
  readonly port: number;
  readonly name: string;
  /** Empty where only the name tells. */
  readonly protocol: string;
  /** Where others dial what is meant for `port`. */
  readonly inboundPort: number;
}

/**
 * All workloads, sorted. A registration replaces the document of the same
 * name: the proxy knows better where it is. Replicas share a name and differ
 * in their addresses or ports.
 */
export function workloadsOf(
  documents: readonly DocumentOf<"Workload">[],
  registrations: readonly Registration[],
): readonly Workload[] {
  const registered = registrations.map(ofRegistration);
  const names = new Set(registered.map(fullName));
  const written = documents.map(ofDocument).filter((workload) => !names.has(fullName(workload)));
  return [...written, ...registered].sort(
    (a, b) => compareText(fullName(a), fullName(b)) || compareText(placeOf(a), placeOf(b)),
  );
}

/** `<namespace>/<name>` */
export function fullName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function placeOf({ address, ports }: Workload): string {
  return `${address} ${ports.map(({ inboundPort }) => inboundPort).join()}`;
}

function ofRegistration(registration: Registration): Workload {
  const { name, namespace, address, identity, labels, weight, service, confirmedAt } = registration;
  const ports = registration.ports.map(({ port, name, protocol, inboundPort }) => ({
    port,
    name: name ?? "",
    protocol: protocol ?? "",
    inboundPort,
  }));
  const locality = localityIn(labels);
  return {
    name,
    namespace,
    address,
    identity,
    labels,
    locality,
    healthCheck: null,
    weight,
    service,
    ports,
    confirmedAt: confirmedAt ?? null,
  };
}

function ofDocument({ name, namespace, body }: DocumentOf<"Workload">): Workload {
  const { address, identity, weight, service } = body.spec;
  const labels = { ...body.metadata.labels, ...body.spec.labels };
  const ports = body.spec.ports.map(({ port, name, protocol, inboundPort }) => ({
    port,
    name,
    protocol: protocol ?? "",
    inboundPort: inboundPort ?? port,
  }));
  return {
    name,
    namespace,
    address,
    identity: identity ?? null,
    labels,
    healthCheck: body.spec.healthCheck === undefined ? null : healthCheckOf(body.spec.healthCheck),
    locality: parseLocality(body.spec.locality ?? "") ?? localityIn(labels),
    weight,
    service: service ?? "",
    ports,
    confirmedAt: null,
  };
}

/** Where it is, by the labels of Kubernetes and Istio. */
function localityIn(labels: Labels): Locality | null {
  const region = labels["topology.kubernetes.io/region"] ?? "";
  const zone = labels["topology.kubernetes.io/zone"] ?? "";
  const subZone = labels["topology.istio.io/subzone"] ?? "";
  return region === "" && zone === "" ? null : { region, zone, subZone };
}

/** What metrics and logs call it: the labels that Istio reads, in its order. */
export function metricLabels({
  name,
  namespace,
  labels,
}: Pick<Workload, "name" | "namespace" | "labels">): WorkloadLabels {
  const app = labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? name;
  const version =
    labels["service.istio.io/canonical-revision"] ??
    labels["app.kubernetes.io/version"] ??
    labels["version"] ??
    "unknown";
  return { name, namespace, app, version };
}

/** Workloads by what may select them, so that a Service does not look at all of them. */
export class Membership {
  readonly #byPair = new Map<string, Workload[]>();
  readonly #byService = new Map<string, Workload[]>();

  constructor(workloads: readonly Workload[]) {
    for (const workload of workloads) {
      if (workload.service !== "") add(this.#byService, `${workload.namespace}/${workload.service}`, workload);
      for (const [key, value] of Object.entries(workload.labels)) {
        add(this.#byPair, pairKey(workload.namespace, key, value), workload);
      }
    }
  }

  /** Workloads that name a Service or that its selector finds, in their order. */
  of(namespace: string, service: string, selector: Labels): ReadonlySet<Workload> {
    const members = new Set(this.#byService.get(`${namespace}/${service}`));
    const [first] = Object.entries(selector);
    if (first === undefined) return members;
    for (const workload of this.#byPair.get(pairKey(namespace, ...first)) ?? [])
      if (selects(selector, workload.labels)) members.add(workload);
    return members;
  }

  /** Services that workloads name, each with those workloads. */
  named(): ReadonlyMap<string, readonly Workload[]> {
    return this.#byService;
  }
}

function pairKey(namespace: string, key: string, value: string): string {
  return `${namespace} ${key} ${value}`;
}

function add(map: Map<string, Workload[]>, key: string, workload: Workload): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [workload]);
  else list.push(workload);
}
