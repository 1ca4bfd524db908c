import { latin1, NO_BYTES } from "../base/mod.ts";
import { BothEdits, type Edits } from "../http/mod.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import { grpcRefusal } from "./grpc.ts";
import { leaveTurn } from "./turn.ts";

/** What this hop says in a response beside what its rule edits; what was said before stays. */
export function addToResponse(exchange: MeshExchange, edits: Edits): void {
  const { said } = exchange;
  exchange.said = said === null ? edits : new BothEdits(said, edits);
}

/** Lines for the response alone. */
export function lineEdits(lines: string): Edits {
  return { drops: () => false, lines: latin1(lines) };
}

/** Answers in the place of an upstream. `fields` are lines with CRLF. */
export function answer(exchange: MeshExchange, status: number, fields: Buffer, body: Buffer): void {
  const { said } = exchange;
  exchange.stage = Stage.Over;
  exchange.status = status;
  if (exchange.turns !== null || exchange.queue !== null) leaveTurn(exchange);
  exchange.downstream!.answer(exchange, status, said === null ? fields : Buffer.concat([fields, said.lines]), body);
}

/** A gRPC call that can be answered as one. */
export function isCall({ isGrpc, request }: MeshExchange): boolean {
  return isGrpc && request.isHttp2;
}

/** Answers a gRPC call in its own words: HTTP has nothing to complain of, the status is a field. */
export function answerCall(exchange: MeshExchange, grpcStatus: number, message: string, more = ""): void {
  exchange.grpcStatus = grpcStatus;
  answer(exchange, 200, latin1(grpcRefusal(grpcStatus, message) + more), NO_BYTES);
}
