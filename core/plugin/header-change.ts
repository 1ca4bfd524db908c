import { latin1, NO_BYTES } from "../base/mod.ts";
import { Field, fieldNamed } from "../http/mod.ts";

/** One header that a policy sets, or takes away. Made once per distinct answer of a policy, then shared by requests. */
export class HeaderChange {
  /** Lower case. */
  readonly name: string;
  /** Null: the header is removed. */
  readonly value: string | null;
  /** Number of the name, for comparing it with the fields of a head. */
  readonly field: Field;
  /** `name: value\r\n`, ready for a serialised head; empty where the header is removed. */
  readonly line: Buffer;

  constructor(name: string, value: string | null) {
    this.name = name;
    this.value = value;
    this.field = fieldNamed(name);
    this.line = value === null ? NO_BYTES : latin1(`${name}: ${value}\r\n`);
  }
}

export const NO_CHANGES: readonly HeaderChange[] = Object.freeze([]);

/** Most headers one answer may carry, and most bytes in all of them. */
export const MAX_CHANGES = 64;
export const MAX_CHANGE_BYTES = 16_384;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;

/** Fields that belong to the connection, the framing or the mesh itself: a policy does not touch them. */
const RESERVED: ReadonlySet<Field> = new Set([
  Field.Host,
  Field.ContentLength,
  Field.TransferEncoding,
  Field.Connection,
  Field.KeepAlive,
  Field.ProxyConnection,
  Field.Te,
  Field.Trailer,
  Field.Upgrade,
  Field.Expect,
  Field.ProxyAuthorization,
  Field.ProxyAuthenticate,
  Field.XForwardedClientCert,
]);

/** Says what is wrong with a header that a policy wants; null where it may stand in a head. */
export function problemOfChange(name: string, value: string | null): string | null {
  if (!TOKEN.test(name)) return `"${name.slice(0, 64)}" is not a header name`;
  // Servers that map "-" and "_" to one variable must not be reached around this list.
  if (RESERVED.has(fieldNamed(name.replaceAll("_", "-")))) return `header "${name}" is not for policies`;
  if (value !== null && !VALUE.test(value)) return `the value of header "${name}" cannot stand in a head`;
  return null;
}
