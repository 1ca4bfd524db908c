import { Outcome, outcomeOf } from "../cluster/mod.ts";
import { Field, type Fields, type RequestHead } from "../http/mod.ts";

const CONTENT_TYPE = new TextEncoder().encode("application/grpc");
const PLUS = 0x2b;
const SEMICOLON = 0x3b;

/** The message is one of gRPC over HTTP/2: `application/grpc`, perhaps with a codec; grpc-web is something else. */
export function isGrpc(head: Fields): boolean {
  const i = head.find(Field.ContentType);
  if (i < 0) return false;
  const start = head.valueStart(i);
  const length = head.valueEnd(i) - start;
  if (length < CONTENT_TYPE.length) return false;
  for (let k = 0; k < CONTENT_TYPE.length; k++) if (head.bytes[start + k] !== CONTENT_TYPE[k]) return false;
  if (length === CONTENT_TYPE.length) return true;
  const next = head.bytes[start + CONTENT_TYPE.length]!;
  return next === PLUS || next === SEMICOLON;
}

/** Codes of gRPC that the mesh itself gives. */
export const GrpcStatus = {
  None: -1,
  Unknown: 2,
  DeadlineExceeded: 4,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** How an attempt ended, by its HTTP status and its `grpc-status`: what a server is to blame for, and what only a caller is. */
export function outcomeFor(status: number, grpcStatus: number): Outcome {
  switch (grpcStatus) {
    case GrpcStatus.Unavailable:
      return Outcome.GatewayError;
    case GrpcStatus.Unknown:
    case GrpcStatus.Internal:
    case GrpcStatus.DataLoss:
      return Outcome.ServerError;
    default:
      return outcomeOf(status);
  }
}

/** What an HTTP status means to a gRPC client (grpc: http-grpc-status-mapping). */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GrpcStatus.Internal;
    case 401:
      return GrpcStatus.Unauthenticated;
    case 403:
      return GrpcStatus.PermissionDenied;
    case 404:
      return GrpcStatus.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus.Unavailable;
    default:
      return GrpcStatus.Unknown;
  }
}

/** `grpc-status` of trailers or of a head without a body; -1 without one. */
export function grpcStatusIn(fields: Fields): number {
  const i = fields.find(Field.GrpcStatus);
  if (i < 0) return GrpcStatus.None;
  let status = 0;
  const end = fields.valueEnd(i);
  const start = fields.valueStart(i);
  if (start === end || end - start > 3) return GrpcStatus.Unknown;
  for (let p = start; p < end; p++) {
    const digit = fields.bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return GrpcStatus.Unknown;
    status = status * 10 + digit;
  }
  return status;
}

const MAX_MESSAGE_BYTES = 1_000;

/** Fields of a response that is nothing but a status: what gRPC calls Trailers-Only. */
export function grpcRefusal(status: number, message: string): string {
  const bytes = Buffer.from(message).subarray(0, MAX_MESSAGE_BYTES);
  let told = "";
  for (const c of bytes) {
    // Printable ASCII but for "%"; the rest percent-encoded.
    told +=
      c >= 0x20 && c <= 0x7e && c !== 0x25
        ? String.fromCharCode(c)
        : `%${c.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return `Content-Type: application/grpc\r\ngrpc-status: ${status}\r\ngrpc-message: ${told.trim()}\r\n`;
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** How long the caller waits, from its `grpc-timeout`; 0 where it does not say. What cannot be read is no limit. */
export function grpcTimeoutMs(head: RequestHead): number {
  const i = head.find(Field.GrpcTimeout);
  if (i < 0) return 0;
  const found = /^([0-9]{1,8})([HMSmun])$/.exec(head.valueText(i));
  if (found === null) return 0;
  // A wait that is over already is still a limit.
  return Math.max(Number(found[1]) * UNIT_MS[found[2]!]!, 1e-3);
}

/** Takes the field away from a head: what goes on has what is left. */
export function dropGrpcTimeout(head: RequestHead): void {
  for (let i = head.find(Field.GrpcTimeout); i >= 0; i = head.find(Field.GrpcTimeout, i + 1)) head.hop[i] = 1;
}

/** Of what is left of a wait: microseconds while eight digits hold them, else milliseconds. */
export function grpcTimeoutLine(leftMs: number): string {
  const us = Math.max(1, Math.floor(leftMs * 1e3));
  if (us < 1e8) return `grpc-timeout: ${us}u\r\n`;
  const ms = Math.floor(leftMs);
  return ms < 1e8 ? `grpc-timeout: ${ms}m\r\n` : `grpc-timeout: ${Math.min(99_999_999, Math.floor(leftMs / 1e3))}S\r\n`;
}

/**
 * How long a server asks to wait before a call is tried again, ms; 0 where it
 * does not say. Below 0 means not at all (gRFC A6), and says nothing of the endpoint.
 */
export function pushbackMs(fields: Fields): number {
  const i = fields.findName("grpc-retry-pushback-ms");
  const ms = i < 0 ? 0 : Number(fields.valueText(i));
  return Number.isFinite(ms) ? ms : 0;
}
