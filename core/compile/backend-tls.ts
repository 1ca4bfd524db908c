import type { BackendTlsModel } from "../cluster/mod.ts";
import type { Path } from "../config/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import type { Report } from "./report.ts";
import { byAge } from "./route-document.ts";
import { portCluster, type Service, type ServicePort } from "./service.ts";
import {
  CONTROLLER_NAME,
  conditionsOf,
  type DocumentStatus,
  type Finding,
  finding,
  type ParentReference,
} from "./status.ts";

type PolicyDocument = DocumentOf<"BackendTLSPolicy">;
type Validation = PolicyDocument["body"]["spec"]["validation"];
type TargetRef = PolicyDocument["body"]["spec"]["targetRefs"][number];
type CertificateRef = Validation["caCertificateRefs"][number];

/** Where the authorities of references are found: as one bundle, and why the first of those that are not there is not. */
export interface Authorities {
  roots(
    from: { readonly kind: string; readonly namespace: string },
    refs: readonly CertificateRef[],
  ): { readonly roots: string; readonly problem: { readonly reason: string; readonly message: string } | null };
}

/** A policy with what became of it. */
export interface JudgedPolicy {
  readonly document: PolicyDocument;
  /** Clusters that it is for, whether it won them or not. */
  readonly clusters: ReadonlySet<string>;
  /** The same as Services, by name. */
  readonly services: ReadonlyMap<string, ParentReference>;
  readonly findings: readonly Finding[];
}

/** TLS toward backends outside the mesh. */
export interface CompiledBackendTls {
  /** By cluster. */
  readonly at: ReadonlyMap<string, BackendTlsModel>;
  readonly policies: readonly JudgedPolicy[];
}

/** What policies refer to. */
interface Around {
  readonly services: ReadonlyMap<string, Service>;
  readonly authorities: Authorities;
}

/**
 * Says how proxies speak TLS to the backends that policies name. Of two
 * policies for the same target the older wins, then the first by name; one for
 * a port goes before one for its whole Service.
 */
export function compileBackendTls(
  documents: readonly PolicyDocument[],
  { services, authorities }: Around,
  report: Report,
): CompiledBackendTls {
  const owners = new Map<string, PolicyDocument>();
  const tls = new Map<PolicyDocument, BackendTlsModel>();
  const policies = documents.toSorted(byAge).map((document): JudgedPolicy => {
    const { model, findings } = judge(document.body.spec.validation, document, authorities, report);
    tls.set(document, model);
    const targets = targetsOf(document, services, report);
    const conflict = takeTargets(document, targets, owners, report);
    const clusters = new Set(targets.flatMap(({ service, ports }) => ports.map((port) => portCluster(service, port))));
    const references = targets.map(({ service }) => [service.name, referenceTo(service)] as const);
    return {
      document,
      clusters,
      services: new Map(references),
      findings: conflict === null ? findings : [conflict, findings[1]!],
    };
  });
  return { at: modelsAt(services, owners, tls), policies };
}

function referenceTo({ namespace, name }: Service): ParentReference {
  return { group: "", kind: "Service", namespace, name };
}

/** The status of every policy: one ancestor for each thing through which its backends are reached. */
export function backendTlsStatuses(
  policies: readonly JudgedPolicy[],
  ancestorsOf: (policy: JudgedPolicy) => readonly ParentReference[],
): readonly DocumentStatus[] {
  return policies.map((policy) => {
    const { kind, namespace, name } = policy.document;
    const conditions = conditionsOf(policy.document, policy.findings);
    const ancestors = ancestorsOf(policy).map((ancestorRef) => {
      return { ancestorRef, controllerName: CONTROLLER_NAME, conditions };
    });
    return { kind, namespace, name, status: { ancestors } };
  });
}

interface Target {
  readonly service: Service;
  readonly ports: readonly ServicePort[];
  readonly key: string;
  readonly path: Path;
}

function targetsOf(
  document: PolicyDocument,
  services: ReadonlyMap<string, Service>,
  report: Report,
): readonly Target[] {
  const targets = document.body.spec.targetRefs.flatMap((ref, i) => {
    const path = ["spec", "targetRefs", i];
    const found = targetOf(document, ref, services);
    if (typeof found !== "string") return { ...found, path };
    report.warn(document, path, `${found}: the policy has no effect there`, { found: ref.name });
    return [];
  });
  return targets;
}

/** What a reference means, or what it must be. */
function targetOf(
  { namespace }: PolicyDocument,
  { group, kind, name, sectionName }: TargetRef,
  services: ReadonlyMap<string, Service>,
): Omit<Target, "path"> | string {
  if (group !== "" || kind !== "Service") return `must be a Service: current value is ${kind} of "${group}"`;
  const service = services.get(`${namespace}/${name}`);
  if (service === undefined) return `must name a Service: there is no Service ${namespace}/${name}`;
  const ports = service.ports.filter(
    (port) => port.protocol !== "udp" && (sectionName === undefined || port.name === sectionName),
  );
  if (ports.length === 0) return `must name a port of Service ${namespace}/${name}: current value is ${sectionName}`;
  return { service, ports, key: targetKey(service, sectionName) };
}

function targetKey({ namespace, name }: Service, port = ""): string {
  return `${namespace}/${name}/${port}`;
}

/** Takes what nobody older has; a finding where somebody has. */
function takeTargets(
  document: PolicyDocument,
  targets: readonly Target[],
  owners: Map<string, PolicyDocument>,
  report: Report,
): Finding | null {
  let conflict: Finding | null = null;
  for (const { key, path } of targets) {
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, document);
      continue;
    }
    const message = `BackendTLSPolicy ${owner.namespace}/${owner.name} has the same target, and goes first`;
    report.warn(document, path, `has no effect: ${message}`);
    conflict ??= finding("Accepted", false, "Conflicted", message);
  }
  return conflict;
}

function modelsAt(
  services: ReadonlyMap<string, Service>,
  owners: ReadonlyMap<string, PolicyDocument>,
  tls: ReadonlyMap<PolicyDocument, BackendTlsModel>,
): ReadonlyMap<string, BackendTlsModel> {
  const at = new Map<string, BackendTlsModel>();
  if (owners.size === 0) return at;
  for (const service of services.values())
    for (const port of service.ports) {
      const owner = owners.get(targetKey(service, port.name)) ?? owners.get(targetKey(service));
      const model = owner && tls.get(owner);
      if (model !== undefined && port.protocol !== "udp") at.set(portCluster(service, port), model);
    }
  return at;
}

/** Accepted and ResolvedRefs, in this order, with what proxies run. */
function judge(
  { hostname, caCertificateRefs, subjectAltNames }: Validation,
  document: PolicyDocument,
  authorities: Authorities,
  report: Report,
): { readonly model: BackendTlsModel; readonly findings: readonly [Finding, Finding] } {
  const { roots, problem } = authorities.roots(document, caCertificateRefs);
  const names = subjectAltNames.map(({ type, hostname, uri }) => ({ type, value: hostname ?? uri ?? "" }));
  const model = { serverName: hostname, ...(names.length === 0 ? {} : { names }) };
  if (problem === null) {
    const findings = [finding("Accepted", true, "Accepted"), finding("ResolvedRefs", true, "ResolvedRefs")] as const;
    return { model: { ...model, ...(roots === "" ? {} : { roots }) }, findings };
  }
  report.warn(document, ["spec", "validation", "caCertificateRefs"], `must lead to certificates: ${problem.message}`);
  const reason = problem.reason === "InvalidCACertificateKind" ? "InvalidKind" : problem.reason;
  const unresolved = finding("ResolvedRefs", false, reason, problem.message);
  if (roots !== "")
    return { model: { ...model, roots }, findings: [finding("Accepted", true, "Accepted"), unresolved] };
  const refused = finding("Accepted", false, "NoValidCACertificate", problem.message);
  return { model: { ...model, invalid: problem.message }, findings: [refused, unresolved] };
}
