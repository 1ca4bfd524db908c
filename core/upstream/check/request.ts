import { latin1 } from "../../base/mod.ts";
import type { HealthCheckModel } from "../../cluster/mod.ts";

/** What a check sends, whole. */
export interface ProbeRequest {
  readonly head: Buffer;
  readonly body: Buffer;
}

const USER_AGENT = "mesh-health-check";

export function requestOf({ type, path = "/", host, service = "" }: HealthCheckModel, authority: string): ProbeRequest {
  const common = `HTTP/1.1\r\nHost: ${host ?? authority}\r\nUser-Agent: ${USER_AGENT}\r\n`;
  if (type !== "GRPC") return { head: latin1(`GET ${path} ${common}\r\n`), body: Buffer.alloc(0) };
  const body = healthRequest(service);
  const fields = `Content-Type: application/grpc\r\nTE: trailers\r\nContent-Length: ${body.length}\r\n`;
  return { head: latin1(`POST /grpc.health.v1.Health/Check ${common}${fields}\r\n`), body };
}

/** A HealthCheckRequest as a message of gRPC: field 1 is the service. Names are shorter than 128 bytes twice over. */
function healthRequest(service: string): Buffer {
  const name = latin1(service);
  const length = name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const SERVING = 1;
const STATUS_NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** What a HealthCheckResponse has wrong; null for SERVING. `bytes` begin with the prefix of the message. */
export function problemOfHealth(bytes: Buffer): string | null {
  if (bytes.length < 5) return "the answer holds no message";
  // Field 1 as a varint; one that is left out is 0.
  const status = bytes[5] === 0x08 ? (bytes[6] ?? 0) : 0;
  return status === SERVING ? null : `it says ${STATUS_NAMES[status] ?? status}`;
}
