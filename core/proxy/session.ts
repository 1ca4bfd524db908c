import type { Endpoint } from "../cluster/mod.ts";
import type { RuleBackend, Session } from "../route/mod.ts";
import { addToResponse, lineEdits } from "./answer.ts";
import type { MeshExchange } from "./exchange.ts";
import type { Mesh } from "./mesh.ts";

/**
 * Leads a request to the endpoint of its session, while that is there and takes
 * traffic; a backend without a weight keeps the sessions it has.
 */
export function resumeSession(exchange: MeshExchange, session: Session, mesh: Mesh): void {
  const token = session.read(exchange.request, mesh.clock.now());
  exchange.session = token;
  // A policy that names a destination knows better.
  if (token === null || exchange.destination !== "") return;
  for (const backend of exchange.entry!.rule.backends) {
    const endpoint = endpointOf(backend, session, token.endpoint);
    if (endpoint === null || !endpoint.isAvailable(mesh.deadlines.recent)) continue;
    exchange.backend = backend;
    exchange.pinned = endpoint;
    return;
  }
}

function endpointOf({ cluster }: RuleBackend, session: Session, name: string): Endpoint | null {
  return cluster === null ? null : session.endpointNamed(cluster, name);
}

/** Tells the client its session, where that has begun, moved, or is put off by use. */
export function tellSession(exchange: MeshExchange, session: Session, mesh: Mesh): void {
  const { endpoint, cluster, session: token } = exchange;
  const name = session.nameOf(cluster!, endpoint!);
  if (token?.endpoint === name && !session.isRenewed) return;
  const { secure } = exchange.downstream!.connection;
  addToResponse(exchange, lineEdits(session.line(name, token?.begunAt ?? 0, mesh.clock.now(), secure)));
}
