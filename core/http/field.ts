/**
 * Field names that the mesh itself reads. A parsed head carries their number,
 * so that nobody compares names twice. `Unknown` is any other name.
 */
export const Field = {
  Unknown: 0,
  Host: 1,
  ContentLength: 2,
  TransferEncoding: 3,
  Connection: 4,
  KeepAlive: 5,
  ProxyConnection: 6,
  Te: 7,
  Trailer: 8,
  Upgrade: 9,
  Expect: 10,
  ProxyAuthorization: 11,
  ProxyAuthenticate: 12,
  XForwardedClientCert: 13,
  XRequestId: 14,
  XForwardedFor: 15,
  UserAgent: 16,
  Cookie: 17,
  Authorization: 18,
  ContentType: 19,
  IdempotencyKey: 20,
  Date: 21,
  RetryAfter: 22,
  Traceparent: 23,
  XForwardedProto: 24,
  MeshUnsent: 25,
  GrpcStatus: 26,
  GrpcTimeout: 27,
  XForwardedHost: 28,
  MeshReset: 29,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

const DASH = 0x2d;
const UNDERSCORE = 0x5f;

const NAMES: readonly string[] = [
  "",
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "proxy-authorization",
  "proxy-authenticate",
  "x-forwarded-client-cert",
  "x-request-id",
  "x-forwarded-for",
  "user-agent",
  "cookie",
  "authorization",
  "content-type",
  "idempotency-key",
  "date",
  "retry-after",
  "traceparent",
  "x-forwarded-proto",
  "x-mesh-unsent",
  "grpc-status",
  "grpc-timeout",
  "x-forwarded-host",
  "x-mesh-reset",
];

const SLOTS = 256;
const TABLE = new Uint8Array(SLOTS);
const NAME_BYTES: readonly Uint8Array[] = NAMES.map((name) => new TextEncoder().encode(name));

/** Length, first and last letter tell all the names apart; a name is compared whole behind it. */
function slotOf(length: number, first: number, last: number): number {
  return (length + Math.imul(first | 0x20, 3) + Math.imul(last | 0x20, 5)) & (SLOTS - 1);
}

for (let id = 1; id < NAMES.length; id++) {
  const name = NAME_BYTES[id]!;
  const slot = slotOf(name.length, name[0]!, name[name.length - 1]!);
  if (TABLE[slot] !== 0)
    throw new Error(`Cannot index field names: "${NAMES[id]}" and "${NAMES[TABLE[slot]!]}" share a slot`);
  TABLE[slot] = id;
}

/**
 * Number of the field whose name, a token, stands in `bytes[start, end)`; case
 * does not count. Negative where "_" stands for "-": an app that maps both to
 * one variable would see a field that we did not.
 */
export function fieldOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const id = TABLE[slotOf(length, bytes[start]!, bytes[end - 1]!)]!;
  if (id === 0) return Field.Unknown;
  const name = NAME_BYTES[id]!;
  if (name.length !== length) return Field.Unknown;
  let sign = 1;
  for (let i = 0; i < length; i++) {
    const c = bytes[start + i]!;
    if (c === UNDERSCORE && name[i] === DASH) sign = -1;
    else if ((c | 0x20) !== name[i]) return Field.Unknown;
  }
  return sign * id;
}

/** Number of a name given as text, e.g. from a header edit in a route. */
export function fieldNamed(name: string): Field {
  const id = NAMES.indexOf(name.toLowerCase());
  return (id < 0 ? Field.Unknown : id) as Field;
}
