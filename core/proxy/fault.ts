import { latin1 } from "../base/mod.ts";
import type { Fault } from "../route/mod.ts";
import { RESPONSE_FLAGS } from "../telemetry/mod.ts";
import { answer, answerCall, isCall } from "./answer.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import { grpcStatusOf } from "./grpc.ts";
import type { Mesh } from "./mesh.ts";

const DELAYED = RESPONSE_FLAGS.indexOf("DI");
const ABORTED = RESPONSE_FLAGS.indexOf("FI");
const PLAIN = latin1("Content-Type: text/plain; charset=utf-8\r\n");
const BODY = latin1("fault filter abort\n");

/**
 * Lets the first of a rule's faults happen whose match holds and whose chance
 * comes up. True where the exchange waits because of it, or is answered.
 */
export function meetsFault(exchange: MeshExchange, { random, deadlines }: Mesh): boolean {
  const { request, entry, isGrpc } = exchange;
  if (entry === null || entry.rule.faults === null) return false;
  for (const fault of entry.rule.faults) {
    if (!fault.takes(request)) continue;
    const delays = fault.delayMs > 0 && random() < fault.delayFraction;
    const aborts = fault.answers(isGrpc) && random() < fault.abortFraction;
    if (!delays && !aborts) continue;
    exchange.fault = aborts ? fault : null;
    exchange.detail = `fault "${fault.id}"`;
    if (!delays) return aborted(exchange);
    exchange.flag = DELAYED;
    exchange.stage = Stage.Pausing;
    exchange.resumeAt = deadlines.now + fault.delayMs;
    return true;
  }
  return false;
}

/** What is left of a fault when its delay is over: true where the exchange was aborted. */
export function aborted(exchange: MeshExchange): boolean {
  const { fault } = exchange;
  if (fault === null) return false;
  exchange.flag = ABORTED;
  if (isCall(exchange)) answerCall(exchange, grpcStatusFor(fault), "fault filter abort");
  else answer(exchange, fault.status === 0 ? 500 : fault.status, PLAIN, BODY);
  return true;
}

function grpcStatusFor({ status, grpcStatus }: Fault): number {
  return grpcStatus >= 0 ? grpcStatus : grpcStatusOf(status);
}
