import { latin1, NO_BYTES } from "../base/mod.ts";
import { type ClientStream, Method } from "../http/mod.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import { UpstreamReset } from "./failure.ts";
import type { Mesh } from "./mesh.ts";
import { isBodyLost, keepPiece, prepareReplay } from "./retry.ts";

const ESTABLISHED = latin1("Connection Established");

/**
 * Sends the request, or what is to be repeated of it, and lets its body flow.
 *
 * @throws {UpstreamReset} where what was sent of the body is no longer at hand.
 */
export function forward(exchange: MeshExchange, connection: ClientStream, mesh: Mesh): void {
  exchange.stage = Stage.Forwarding;
  if (exchange.request.method === Method.Connect) {
    passage(exchange, connection);
    return;
  }
  if (isBodyLost(exchange)) {
    connection.close();
    throw new UpstreamReset("Cannot repeat the request: its body is no longer at hand");
  }
  if (exchange.replay === null) prepareReplay(exchange);
  const authority = exchange.request.authorityEnd > 0 ? NO_BYTES : latin1(exchange.cluster!.service.host);
  const added = mesh.added.of(exchange, mesh.self.principal, mesh.deadlines.recent);
  connection.send(exchange, authority, exchange.backend?.requestEdits ?? null, exchange.changes, added);
  if (exchange.attempts > 1 || exchange.isCopy) repeatBody(exchange, connection);
  const { backend } = exchange;
  if (backend !== null && backend.mirrors.length > 0) exchange.flow.mirror(exchange);
  if (!exchange.bodySent) exchange.downstream!.readBody();
}

function repeatBody(exchange: MeshExchange, connection: ClientStream): void {
  for (const piece of exchange.replay ?? []) connection.data(piece, 0, piece.length);
  if (exchange.bodySent && exchange.request.contentLength !== 0) connection.finish(null);
}

/** CONNECT to a destination outside the mesh: the connection itself is what was asked for (RFC 9110, section 9.3.6). */
function passage(exchange: MeshExchange, connection: ClientStream): void {
  const { response, downstream } = exchange;
  connection.adopt(exchange);
  response.reset();
  response.status = 200;
  response.bytes = ESTABLISHED;
  response.reasonEnd = ESTABLISHED.length;
  exchange.status = 200;
  exchange.stage = Stage.Responding;
  exchange.tunnelled = true;
  // A tunnel has no request body: its request is over when the client says no more.
  exchange.bodySent = false;
  downstream!.respond(exchange, null, null);
  downstream!.tunnel();
}

/** A piece of the request body, on its way up. */
export function forwardBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
  exchange.requestBytes += end - start;
  keepPiece(exchange, bytes, start, end);
  exchange.beside?.mirrored?.piece(bytes, start, end);
  const { upstream } = exchange;
  if (upstream === null) return;
  upstream.data(bytes, start, end);
  if (upstream.blocked) exchange.downstream!.pauseBody();
}
