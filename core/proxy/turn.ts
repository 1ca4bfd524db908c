import { type MeshExchange, Stage } from "./exchange.ts";
import { Overflow } from "./failure.ts";
import type { Mesh } from "./mesh.ts";

/** How long a request waits for its turn where its cluster does not say. */
const PENDING_MS = 5_000;

/**
 * Whether the exchange may go on to its cluster; where its requests are
 * limited it waits for its turn, and goes on by `turnCame`.
 *
 * @throws {Overflow} where too many wait already.
 */
export function takesTurn(exchange: MeshExchange, mesh: Mesh): boolean {
  const { state } = exchange.cluster!;
  if (!state.turns.isLimited || exchange.turns !== null) return true;
  const taken = state.turns.take(exchange);
  if (taken === "overflow")
    throw new Overflow(`Cannot call "${state.name}": ${state.turns.active} requests are under way, and too many wait`);
  if (taken) {
    exchange.turns = state.turns;
    return true;
  }
  exchange.queue = state.turns;
  exchange.stage = Stage.Pausing;
  exchange.resumeAt = mesh.deadlines.now + (state.limits.pendingMs ?? PENDING_MS);
  return false;
}

/** The turn did not come in time. */
export function turnMissed({ cluster, queue }: MeshExchange): Overflow {
  const { name, limits } = cluster!.state;
  const ms = limits.pendingMs ?? PENDING_MS;
  return new Overflow(`Cannot call "${name}": no turn within ${ms} ms, ${queue!.active} requests are under way`);
}

/** Gives the turn to the next, or the wait for it up; called where the cluster has no more to do with the exchange. */
export function leaveTurn(exchange: MeshExchange): void {
  const { turns, queue } = exchange;
  exchange.turns = exchange.queue = null;
  queue?.cancel(exchange);
  turns?.leave();
}
