import { latin1 } from "../../base/mod.ts";
import { kindOfName, kindOfValue } from "./field-kind.ts";
import { ENTRY_OVERHEAD, STATIC_FIELDS } from "./hpack-static.ts";

/** Between name and value, and behind the value, in the lines of a head. */
export const SEPARATOR_BYTES = 2;

/** A field of a table, as the line `name: value\r\n` that goes into a head, and what it was found to be. */
export class TableLine {
  readonly bytes: Buffer;
  readonly nameLength: number;
  /** Where the value ends; it begins behind name and separator. */
  readonly valueEnd: number;
  /** By the name alone, and with the value. */
  readonly nameKind: number;
  readonly kind: number;

  constructor(bytes: Buffer, nameLength: number, valueEnd: number, nameKind: number, kind: number) {
    this.bytes = bytes;
    this.nameLength = nameLength;
    this.valueEnd = valueEnd;
    this.nameKind = nameKind;
    this.kind = kind;
  }

  /** As the tables count it. */
  get size(): number {
    return this.valueEnd - SEPARATOR_BYTES + ENTRY_OVERHEAD;
  }
}

/** Lines of the static table; index 0 is no entry. */
export const STATIC_LINES: readonly (TableLine | null)[] = [null, ...STATIC_FIELDS.map(staticLine)];

function staticLine([name, value]: readonly [string, string]): TableLine {
  const bytes = latin1(`${name}: ${value}\r\n`);
  const valueEnd = bytes.length - SEPARATOR_BYTES;
  const nameKind = kindOfName(bytes, 0, name.length);
  const kind = kindOfValue(nameKind, bytes, name.length + SEPARATOR_BYTES, valueEnd);
  return new TableLine(bytes, name.length, valueEnd, nameKind, kind);
}
