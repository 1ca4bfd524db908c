import { latin1, NO_BYTES } from "../base/mod.ts";
import type { Cluster } from "../cluster/mod.ts";
import type { Redirect } from "../route/mod.ts";
import { addToResponse, answer } from "./answer.ts";
import type { MeshExchange } from "./exchange.ts";
import { NoBackend } from "./failure.ts";
import type { Mesh } from "./mesh.ts";
import { resumeSession } from "./session.ts";

/**
 * The part of CORS that a rule has: a preflight is answered here, before the
 * policies, because a browser sends it without credentials. True where it was.
 */
export function answersPreflight(exchange: MeshExchange): boolean {
  const { entry, request } = exchange;
  if (entry === null || entry.rule.cors === null) return false;
  const { cors } = entry.rule;
  if (!cors.isPreflight(request)) {
    addToResponse(exchange, cors.ofAnswer(request));
    return false;
  }
  answer(exchange, 204, cors.ofPreflight(request), NO_BYTES);
  return true;
}

/**
 * Chooses the backend, once, with what its filters make of the request. False
 * where the rule or the backend sends the client elsewhere.
 *
 * @throws {NoBackend}
 */
export function chooseBackend(exchange: MeshExchange, mesh: Mesh): boolean {
  const { entry } = exchange;
  // Outside the mesh there are no rules, and a copy goes where it was made for.
  if (entry === null || exchange.isCopy) return true;
  const { rule } = entry;
  if (rule.redirect !== null) return redirect(exchange, rule.redirect);
  if (rule.session !== null) resumeSession(exchange, rule.session, mesh);
  const named = exchange.destination;
  if (exchange.backend === null)
    exchange.backend = named === "" ? rule.pickBackend(mesh.random) : rule.backendNamed(named);
  const { backend } = exchange;
  if (backend === null) exchange.cluster ??= destinationOf(exchange);
  else {
    if (backend.redirect !== null) return redirect(exchange, backend.redirect);
    if (backend.rewrite !== null) exchange.target = backend.rewrite.target(exchange.request, entry.prefix);
    exchange.cluster ??= backend.cluster;
  }
  if (exchange.cluster === null) throw noBackend(exchange);
  return true;
}

/** A cluster that a routing policy's own config names. */
function destinationOf(exchange: MeshExchange): Cluster | null {
  const name = exchange.router?.model.destinations[exchange.destination];
  return name === undefined ? null : exchange.snapshot!.clusterNamed(name);
}

function noBackend({ entry, destination, router }: MeshExchange): NoBackend {
  const what =
    destination === ""
      ? "it has none that exists"
      : `policy "${router?.model.id}" chose "${destination}", which is none of them`;
  return new NoBackend(`Cannot choose a backend of rule "${entry!.rule.id}": ${what}`);
}

function redirect(exchange: MeshExchange, to: Redirect): false {
  const { request, entry, downstream, port } = exchange;
  const { secure, localAddress } = downstream!.connection;
  const host = localAddress.slice(0, localAddress.lastIndexOf(":"));
  const location = to.location(request, { secure, port, host }, entry!.prefix);
  answer(exchange, to.status, latin1(`Location: ${location}\r\n`), NO_BYTES);
  return false;
}
