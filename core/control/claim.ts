import { isDnsLabel, isIpAddress, isLabelKey, isLabelValue, isPort } from "../config/mod.ts";
import {
  BadFrame,
  type ClusterCounts,
  type GatewayReport,
  type GatewaysMessage,
  MAX_HOSTS,
  type Measured,
  type PortClaim,
  type Subscribe,
  type WorkloadClaim,
} from "../discovery/mod.ts";
import type { ResourceKey } from "../snapshot/mod.ts";

const MAX_PORTS = 100;
const MAX_LABELS = 100;
const MAX_HOST_LENGTH = 255;
const MAX_HELD = 100_000;
const MAX_BUCKETS = 256;
const PROXY_ID = /^[0-9a-z-]{1,64}$/;

/**
 * Reads what a proxy says of itself. It comes from another machine: everything
 * is checked, whatever its certificate says.
 *
 * @throws {BadFrame} naming the first field that is not as agreed.
 */
export function readSubscribe(value: Partial<Subscribe>): Subscribe {
  const { proxy, workload, hosts, gateways, held, revision } = value;
  must(typeof proxy === "string" && PROXY_ID.test(proxy), "proxy");
  must(typeof revision === "string" && revision.length <= 64, "revision");
  return {
    proxy: proxy as string,
    workload: workload === null || workload === undefined ? null : readWorkload(workload),
    hosts: readHosts(hosts),
    gateways: gateways === undefined ? [] : readNames(gateways, "gateways"),
    held: readHeld(held),
    revision: revision as string,
  };
}

/** @throws {BadFrame} when one is no host name, or there are too many. */
export function readHosts(hosts: unknown): readonly string[] {
  return readNames(hosts, "hosts");
}

function readNames(names: unknown, field: string): readonly string[] {
  must(Array.isArray(names) && names.length <= MAX_HOSTS, field);
  for (const name of names as unknown[])
    must(typeof name === "string" && name !== "" && name.length <= MAX_HOST_LENGTH, field);
  return names as string[];
}

/** @throws {BadFrame} when the list is not one of text. */
export function readReasons(reasons: unknown): readonly string[] {
  must(Array.isArray(reasons), "reasons");
  return (reasons as unknown[]).slice(0, 20).map((reason) => String(reason).slice(0, 1000));
}

/** @throws {BadFrame} when something is no number. */
export function readMeasured({ clusters }: Partial<Measured>): Measured {
  must(isObject(clusters), "clusters");
  for (const counts of Object.values(clusters as object) as Partial<ClusterCounts>[]) {
    must(isObject(counts) && Array.isArray(counts.durations) && counts.durations.length <= MAX_BUCKETS, "clusters");
    const numbers: readonly unknown[] = [counts.successes, counts.failures, ...(counts.durations ?? [])];
    must(
      numbers.every((number) => typeof number === "number" && number >= 0),
      "clusters",
    );
  }
  return { clusters: clusters as Measured["clusters"] };
}

const MAX_GATEWAYS = 1_000;
const MAX_PROBLEMS = 1_000;

/** @throws {BadFrame} when it is not as agreed. */
export function readGateways({ gateways }: Partial<GatewaysMessage>): readonly GatewayReport[] {
  must(Array.isArray(gateways) && gateways.length <= MAX_GATEWAYS, "gateways");
  return (gateways as unknown[]).map((value) => {
    must(isObject(value), "gateways");
    const { name, addresses, problems } = value as Partial<GatewayReport>;
    must(typeof name === "string" && name.length <= MAX_HOST_LENGTH, "gateways.name");
    must(Array.isArray(addresses) && addresses.every(isIpAddress), "gateways.addresses");
    must(Array.isArray(problems) && problems.length <= MAX_PROBLEMS, "gateways.problems");
    const told = { name, addresses, problems: (problems as unknown[]).map(readGatewayProblem) };
    return told as GatewayReport;
  });
}

function readGatewayProblem(value: unknown): GatewayReport["problems"][number] {
  must(isObject(value), "gateways.problems");
  const { port, address, problem } = value as Partial<GatewayReport["problems"][number]>;
  must(typeof port === "number" && isIpAddress(address), "gateways.problems");
  return { port: port as number, address: address as string, problem: String(problem).slice(0, 1000) };
}

function readHeld(held: unknown): Readonly<Record<ResourceKey, string>> {
  must(isObject(held), "held");
  const entries = Object.entries(held as object);
  must(entries.length <= MAX_HELD && entries.every(([, version]) => typeof version === "string"), "held");
  return held as Record<ResourceKey, string>;
}

/** @throws {BadFrame} naming the first field that is not as agreed. */
export function readWorkload(value: unknown): WorkloadClaim {
  must(isObject(value), "workload");
  const { name, namespace, service, address, ports, labels, weight } = value as Partial<WorkloadClaim>;
  must(isName(name), "workload.name");
  must(isName(namespace), "workload.namespace");
  // A workload that only calls others belongs to no Service.
  must(service === "" || isName(service), "workload.service");
  must(typeof address === "string" && isIpAddress(address), "workload.address");
  must(typeof weight === "number" && Number.isInteger(weight) && weight >= 0 && weight <= 1_000_000, "workload.weight");
  must(Array.isArray(ports) && ports.length <= MAX_PORTS, "workload.ports");
  return {
    name: name as string,
    namespace: namespace as string,
    service: service as string,
    address: address as string,
    ports: (ports as unknown[]).map(readPort),
    labels: readLabels(labels),
    weight: weight as number,
  };
}

function readPort(value: unknown): PortClaim {
  must(isObject(value), "workload.ports");
  const { port, name, protocol, inboundPort } = value as Partial<PortClaim>;
  must(isPort(port) && isPort(inboundPort), "workload.ports");
  must(name === "" || isName(name), "workload.ports");
  must(protocol === "http" || protocol === "tcp", "workload.ports");
  return { port, name, protocol, inboundPort } as PortClaim;
}

function readLabels(value: unknown): Readonly<Record<string, string>> {
  must(isObject(value), "workload.labels");
  const entries = Object.entries(value as object);
  must(entries.length <= MAX_LABELS, "workload.labels");
  must(
    entries.every(([key, text]) => isLabelKey(key) && typeof text === "string" && isLabelValue(text)),
    "workload.labels",
  );
  return value as Record<string, string>;
}

function isName(value: unknown): boolean {
  return typeof value === "string" && isDnsLabel(value);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function must(holds: boolean, field: string): void {
  if (!holds) throw new BadFrame(`Cannot read a frame: its field "${field}" is missing or not as agreed`);
}
