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
  MeshUpstream: 25,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

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
  "x-mesh-upstream",
];

/** Lower case, and "_" read as "-": an app that maps both to one variable must not see what we did not. */
export const FOLD = new Uint8Array(256);
for (let c = 0; c < 256; c++) FOLD[c] = c >= 0x41 && c <= 0x5a ? c + 32 : c === 0x5f ? 0x2d : c;

const SLOTS = 1024;
const slotOf = (hash: number): number => (hash ^ (hash >>> 10)) & (SLOTS - 1);
const TABLE = new Uint8Array(SLOTS);
const FOLDED: readonly Uint8Array[] = NAMES.map((name) => new TextEncoder().encode(name));

/** One step of the hash that `fieldOf` expects; start from 0 and feed folded bytes. */
export function hashStep(hash: number, folded: number): number {
  return (Math.imul(hash, 31) + folded) | 0;
}

for (let id = 1; id < NAMES.length; id++) {
  let hash = 0;
  for (const c of FOLDED[id]!) hash = hashStep(hash, c);
  const slot = slotOf(hash);
  if (TABLE[slot] !== 0)
    throw new Error(`Cannot index field names: "${NAMES[id]}" and "${NAMES[TABLE[slot]!]}" share a slot`);
  TABLE[slot] = id;
}

/** Number of the field whose name stands in `bytes[start, end)`; "_" counts as "-", case does not count. */
export function fieldOf(bytes: Uint8Array, start: number, end: number, hash: number): Field {
  const id = TABLE[slotOf(hash)]!;
  if (id === 0) return Field.Unknown;
  const name = FOLDED[id]!;
  if (name.length !== end - start) return Field.Unknown;
  for (let i = 0; i < name.length; i++) if (FOLD[bytes[start + i]!] !== name[i]) return Field.Unknown;
  return id as Field;
}

/** Number of a name given as text, e.g. from a header edit in a route. */
export function fieldNamed(name: string): Field {
  const id = NAMES.indexOf(name.toLowerCase());
  return (id < 0 ? Field.Unknown : id) as Field;
}
