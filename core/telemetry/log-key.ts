/** A name or a constant as the bytes that stand in a line: made once, copied per line. */
export interface LogKey {
  /** `,"name":` */
  readonly json: Uint8Array;
  /** ` name=` */
  readonly text: Uint8Array;
}

/** Encodes the name of a field. Names are ours: letters, digits, "_". */
export function logKey(name: string): LogKey {
  return { json: encode(`,"${name}":`), text: encode(` ${name}=`) };
}

/** Encodes a text that many lines repeat, for `LogWriter.raw()`: the name of a route, an identity. */
export function logConstant(text: string): Uint8Array {
  return encode(JSON.stringify(text).replace(/[^\x20-\x7e]/g, escapeUnit));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
