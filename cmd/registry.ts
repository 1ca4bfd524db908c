import { systemClock } from "../core/base/mod.ts";
import { formatAddress } from "../core/config/mod.ts";
import type { ControlClient } from "../core/control/client/mod.ts";
import { agoText } from "./ago.ts";
import { tableText } from "./table.ts";

/** What of a view is shown; empty text means any. */
interface Only {
  readonly namespace: string;
  readonly name: string;
}

/** Something the control plane knows that is no document. */
interface View {
  readonly names: readonly string[];
  show(client: ControlClient, only: Only, json: boolean): Promise<string>;
}

export const REGISTRY_VIEWS: readonly View[] = [
  { names: ["endpoints", "endpoint", "ep"], show: showEndpoints },
  { names: ["registrations", "registration", "reg"], show: showRegistrations },
];

async function showEndpoints(client: ControlClient, only: Only, json: boolean): Promise<string> {
  const services = (await client.services()).filter(({ name }) => isOf(name, only));
  if (json) return JSON.stringify(services, null, 2);
  const rows = services.flatMap(({ name, ports }) =>
    ports.flatMap(({ port, protocol, endpoints, confirmedAt }) => {
      const list = endpoints.map((endpoint) => [
        formatAddress({ host: endpoint.address, port: endpoint.port }),
        ...[endpoint.workload, String(endpoint.weight), endpoint.identity ?? "plaintext", ago(confirmedAt)],
      ]);
      return (list.length === 0 ? [["none", "", "", "", ""]] : list).map((cells) => [
        name,
        `${port} ${protocol}`,
        ...cells,
      ]);
    }),
  );
  return tableText(["service", "port", "endpoint", "workload", "weight", "identity", "confirmed"], rows);
}

async function showRegistrations(client: ControlClient, only: Only, json: boolean): Promise<string> {
  const workloads = (await client.workloads()).filter(({ key }) => isOf(key, only));
  if (json) return JSON.stringify(workloads, null, 2);
  const rows = workloads.map(({ key, service, address, ports, identity, connected, confirmedAt }) => [
    ...[key, service, address, ports.join(", "), identity, connected ? "yes" : "no", ago(confirmedAt)],
  ]);
  return tableText(["workload", "service", "address", "ports", "identity", "connected", "confirmed"], rows);
}

/** Keys begin with namespace and name. */
function isOf(key: string, only: Only): boolean {
  const [namespace, name] = key.split("/");
  return (only.namespace === "" || namespace === only.namespace) && (only.name === "" || name === only.name);
}

function ago(at: number): string {
  return agoText(at, systemClock.now());
}
