declare global {
  /** Methods of Bun's Buffer that skip argument checks and encodings; offsets are bytes, ends exclusive. */
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
    utf8Write(text: string, offset?: number, length?: number): number;
  }
}

/** A buffer with no bytes. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

/** Bytes of text in which every character is one byte. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
