import { latin1, MeshError, messageOf } from "../base/mod.ts";
import { METHOD_NAMES } from "../http/mod.ts";
import { flagOf, PolicyFault } from "../policy/mod.ts";
import { RESPONSE_FLAGS, type ResponseFlag } from "../telemetry/mod.ts";
import { answer, answerCall, isCall } from "./answer.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import {
  AttemptTimeout,
  ConnectFailed,
  DiscoveryUnavailable,
  EgressRefused,
  MalformedRequest,
  MalformedResponse,
  MethodRefused,
  MisdirectedRequest,
  NoBackend,
  NoHealthyEndpoint,
  NoRoute,
  Overflow,
  RequestTimeout,
  StreamIdle,
  UnknownHost,
  UntrustedPeer,
  UpstreamReset,
} from "./failure.ts";
import { GrpcStatus, grpcStatusOf } from "./grpc.ts";
import type { Mesh } from "./mesh.ts";

interface Outcome {
  readonly status: number;
  readonly flag: ResponseFlag;
}

/**
 * The only map from failure to status. A dial that failed is 503, as Envoy has
 * it: the request was not acted upon, and clients retry on 503; 502 means that
 * an upstream broke off in the middle.
 */
const TABLE: ReadonlyMap<unknown, Outcome> = new Map<unknown, Outcome>([
  [NoRoute, { status: 404, flag: "NR" }],
  [MisdirectedRequest, { status: 421, flag: "NR" }],
  [NoBackend, { status: 500, flag: "NC" }],
  [MethodRefused, { status: 405, flag: "DPE" }],
  [EgressRefused, { status: 502, flag: "NR" }],
  [UnknownHost, { status: 502, flag: "NR" }],
  [DiscoveryUnavailable, { status: 503, flag: "NR" }],
  [PolicyFault, { status: 500, flag: "PF" }],
  [NoHealthyEndpoint, { status: 503, flag: "UH" }],
  [ConnectFailed, { status: 503, flag: "UF" }],
  [UntrustedPeer, { status: 503, flag: "DN" }],
  [Overflow, { status: 503, flag: "UO" }],
  [UpstreamReset, { status: 502, flag: "UC" }],
  [MalformedResponse, { status: 502, flag: "UPE" }],
  [RequestTimeout, { status: 504, flag: "UT" }],
  [AttemptTimeout, { status: 504, flag: "UT" }],
  [StreamIdle, { status: 408, flag: "SI" }],
]);

/** What an unknown error is: a bug of ours. */
const BUG: Outcome = { status: 500, flag: "-" };

function outcomeOf(error: unknown): Outcome {
  if (error instanceof MalformedRequest) {
    return { status: error.status, flag: error.status === 408 ? "DT" : "DPE" };
  }
  return (error instanceof MeshError ? TABLE.get(error.constructor) : undefined) ?? BUG;
}

/**
 * What the proxy of a peer is told of an app that was not reached: what was
 * sent may go to another instance; and of one that broke off: it may, where it
 * may be repeated. It is for proxies only and never passed on, so that no app
 * can repeat it by accident.
 */
const UNSENT_LINE = "x-mesh-unsent: 1\r\n";
const RESET_LINE = "x-mesh-reset: 1\r\n";

const PLAIN = "Content-Type: text/plain; charset=utf-8\r\n";

/**
 * Turns a failure into a response, or, where the response has begun, into one
 * that looks truncated. The caller of an outbound listener is our own app and
 * is told the reason; a peer, or a stranger at a gateway, learns the status only. A bug is logged with an
 * id, and the id is all that anybody is told.
 *
 * @param generation of the exchange when what failed began: it may be over by
 * now, and serve somebody else.
 */
export function rescue(error: unknown, exchange: MeshExchange, generation: number, reports: Reports): void {
  const outcome = outcomeOf(error);
  const reason = outcome === BUG ? reportBug(error, reports) : messageOf(error);
  const { downstream } = exchange;
  if (exchange.generation !== generation || exchange.stage === Stage.Over || downstream === null) return;
  exchange.flag = RESPONSE_FLAGS.indexOf(exchange.exhausted ? "URX" : outcome.flag);
  // What was noted before stays: why there is no other attempt, or a policy that faulted and let it through.
  exchange.detail = exchange.detail === "" ? reason : `${reason} (${exchange.detail})`;
  exchange.stage = Stage.Over;
  if (downstream.responseStarted) {
    downstream.abort();
    return;
  }
  const told = downstream.connection.direction === "outbound" || outcome === BUG;
  const word = told || downstream.connection.peer === null ? "" : wordFor(error);
  if (isCall(exchange)) {
    const late = error instanceof RequestTimeout;
    const grpcStatus = late ? GrpcStatus.DeadlineExceeded : grpcStatusOf(outcome.status);
    answerCall(exchange, grpcStatus, told ? reason : `${outcome.status}`, word);
    return;
  }
  const flag = told ? `x-mesh-flag: ${RESPONSE_FLAGS[exchange.flag]}\r\n` : "";
  const allow = error instanceof MethodRefused ? ALLOW : "";
  const fields = latin1(PLAIN + flag + word + allow);
  answer(exchange, outcome.status, fields, Buffer.from(told ? `${reason}\n` : `${outcome.status}\n`));
}

function wordFor(error: unknown): string {
  return error instanceof ConnectFailed ? UNSENT_LINE : error instanceof UpstreamReset ? RESET_LINE : "";
}

/** RFC 9110, section 15.5.6: a method that is refused is told which are not. */
const ALLOW = `Allow: ${METHOD_NAMES.filter((name) => name !== "" && name !== "CONNECT").join(", ")}\r\n`;

/** What a failure is in the record of a connection, whose downstream can be told no status. */
export function flagOfFailure(error: unknown, reports: Reports): { readonly flag: number; readonly reason: string } {
  const outcome = outcomeOf(error);
  const reason = outcome === BUG ? reportBug(error, reports) : messageOf(error);
  return { flag: RESPONSE_FLAGS.indexOf(outcome.flag), reason };
}

/** What who asked for a connection is told, where it has come to nothing. */
export function refusalOf(error: unknown): Outcome & { readonly reason: string } {
  const outcome = outcomeOf(error);
  return { ...outcome, reason: outcome === BUG ? "a bug" : messageOf(error) };
}

type Reports = Pick<Mesh, "log" | "bugId">;

/** Logs an error that nobody threw on purpose; the name it goes by. */
export function reportBug(error: unknown, { log, bugId }: Reports): string {
  const id = `bug ${bugId()}`;
  log.error("a request met a bug", { id, stack: error instanceof Error ? error.stack : messageOf(error) });
  return id;
}

/** Answers an exchange as the policy did that did not let it through. */
export function refuse(exchange: MeshExchange): void {
  const refusal = exchange.refusal!;
  exchange.flag = RESPONSE_FLAGS.indexOf(flagOf(refusal));
  exchange.detail = `policy "${exchange.policy}" answered ${refusal.status}`;
  exchange.stage = Stage.Over;
  if (isCall(exchange)) {
    answerCall(exchange, grpcStatusOf(refusal.status), refusal.body.utf8Slice());
    return;
  }
  answer(exchange, refusal.status, refusal.headers.lines, refusal.body);
}
