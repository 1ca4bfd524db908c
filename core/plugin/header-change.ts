import { latin1, NO_BYTES } from "../base/mod.ts";
import { type Edits, Field, type Fields, fieldNamed } from "../http/mod.ts";

/** One header that a policy sets; null as its value takes the header away. */
export interface HeaderChange {
  /** Lower case. */
  readonly name: string;
  readonly value: string | null;
}

/**
 * Headers that policies set or take away, ready for the serialiser. Made once
 * per distinct answer of a policy and then shared by requests: immutable.
 */
export class HeaderChanges implements Edits {
  readonly list: readonly HeaderChange[];
  /** `name: value` lines with CRLF, of what is set. A character up to 255 is the byte of that number. */
  readonly lines: Buffer;
  /** Names as they are compared with those of a head. */
  readonly #names: readonly Uint8Array[];

  constructor(list: readonly HeaderChange[]) {
    this.list = Object.freeze(list);
    this.lines = list.length === 0 ? NO_BYTES : latin1(list.map(lineOf).join(""));
    this.#names = list.map(({ name }) => latin1(folded(name)));
  }

  /**
   * Whether a received field does not go on. "_" counts as "-": a look-alike of
   * a header that a policy sets must not reach an app that reads both as one.
   */
  drops(head: Fields, i: number): boolean {
    const names = this.#names;
    for (let k = 0; k < names.length; k++) if (head.isNamed(i, names[k]!)) return true;
    return false;
  }

  has(name: string): boolean {
    return this.list.some((change) => folded(change.name) === folded(name));
  }

  /** These changes and then others: of two that name the same header the later counts. */
  followedBy(later: HeaderChanges): HeaderChanges {
    return new HeaderChanges([...this.list.filter(({ name }) => !later.has(name)), ...later.list]);
  }
}

export const NO_CHANGES: HeaderChanges = new HeaderChanges([]);

function lineOf({ name, value }: HeaderChange): string {
  return value === null ? "" : `${name}: ${value}\r\n`;
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

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
  Field.MeshUnsent,
  Field.MeshReset,
]);

/** Says what is wrong with a header that a policy wants; null where it may stand in a head. */
export function problemOfChange(name: string, value: string | null): string | null {
  if (!TOKEN.test(name)) return `"${name.slice(0, 64)}" is not a header name`;
  if (RESERVED.has(fieldNamed(folded(name)))) return `header "${name}" is not for policies`;
  if (value !== null && !VALUE.test(value)) return `the value of header "${name}" cannot stand in a head`;
  return null;
}
