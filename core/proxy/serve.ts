import { begin as count, type Endpoint, NO_HASH, pick } from "../cluster/mod.ts";
import { Method } from "../http/mod.ts";
import { filterRequest, type Permitted } from "../policy/mod.ts";
import { answersPreflight, chooseBackend } from "./choose.ts";
import type { MeshExchange } from "./exchange.ts";
import { Stage } from "./exchange.ts";
import { NoHealthyEndpoint, Overflow } from "./failure.ts";
import { meetsFault } from "./fault.ts";
import { forward } from "./forward.ts";
import { hashOf } from "./hash.ts";
import type { Mesh } from "./mesh.ts";
import { refuse, rescue } from "./rescue.ts";
import { takesTurn } from "./turn.ts";

/**
 * Serves one exchange. This is the whole life of a request, in order; each
 * stage is one call, and the comment beside it names what the stage may throw.
 *
 * accept → identify → decode came before (core/listener, core/http); here is
 * route → filterRequest → [ balance → connect → forward ] × attempts. What the
 * upstream answers comes back by callbacks (flow.ts): filterResponse,
 * then `record`, once, behind the last byte. A stage that must wait returns
 * null and parks the exchange: it is resumed by `serve`, or by `forward` when
 * its connection is there. Nothing here makes a promise.
 */
export function serve(exchange: MeshExchange, mesh: Mesh): void {
  const { generation } = exchange;
  try {
    if (!route(exchange, mesh)) return; //                      NoRoute, MethodRefused, EgressRefused; false: parked
    if (answersPreflight(exchange)) return;
    const permitted = filterRequest(exchange); //                PolicyFault
    if (permitted === null)
      refuse(exchange); //                 denied or limited: the policy's own answer
    else begin(permitted, mesh);
  } catch (error) {
    rescue(error, exchange, generation, mesh);
  }
}

/** What every policy let through goes on: to a fault on purpose, or to its first attempt. */
function begin(exchange: MeshExchange & Permitted, mesh: Mesh): void {
  exchange.permitted = exchange;
  if (meetsFault(exchange, mesh)) return; //                      parked, or aborted
  attempt(exchange, mesh);
}

/** One attempt at an exchange that every policy let through. */
export function attempt(exchange: MeshExchange & Permitted, mesh: Mesh): void {
  if (exchange.attempts === 0 && !chooseBackend(exchange, mesh)) return; // NoBackend; redirected
  if (takesTurn(exchange, mesh)) connect(exchange, mesh); //      Overflow; false: it waits for its turn
}

/** What has its turn goes to an endpoint. */
export function connect(exchange: MeshExchange & Permitted, mesh: Mesh): void {
  const endpoint = balance(exchange, mesh); //                    NoHealthyEndpoint
  const isPassage = exchange.request.method === Method.Connect;
  const connection = mesh.upstream.connect(exchange, endpoint, exchange, isPassage);
  if (connection === "overflow")
    throw new Overflow(`Cannot connect to ${endpoint.authority}: too many requests wait for it`);
  if (connection !== null) forward(exchange, connection, mesh); // else `connected` or `connectFailed` goes on
}

/** One snapshot is read here, and holds for the exchange's whole life. */
function route(exchange: MeshExchange, mesh: Mesh): boolean {
  exchange.snapshot = mesh.snapshot;
  exchange.stage = Stage.Routing;
  return exchange.way!.route(exchange, mesh);
}

/** An endpoint for each attempt: that of its session first. */
function balance(exchange: MeshExchange, mesh: Mesh): Endpoint {
  // The event that led here has read the clock; only policies take a time of their own.
  const now = exchange.policies.length === 0 ? mesh.deadlines.recent : mesh.deadlines.now;
  const cluster = exchange.cluster!;
  if (exchange.attempts === 0) cluster.state.budget.deposit(now);
  const hash = cluster.hash === null ? NO_HASH : hashOf(exchange, cluster.hash, mesh.random);
  const endpoint = exchange.pinned ?? pick(cluster, mesh.random, now, exchange.previous, hash);
  if (endpoint === null) {
    throw new NoHealthyEndpoint(
      `Cannot pick an endpoint of "${cluster.name}": it has ${cluster.endpoints.length}, none with a weight`,
    );
  }
  count(endpoint);
  exchange.pinned = null;
  exchange.endpoint = endpoint;
  exchange.attemptOpen = true;
  exchange.attempts++;
  exchange.attemptAt = now;
  exchange.stage = Stage.Connecting;
  return endpoint;
}
