const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The request has nothing that a hash could be made of. */
export const NO_HASH = -1;

/** Begins a hash that is the same in every proxy of the mesh: all must choose the same endpoint. */
export function beginHash(): number {
  return FNV_OFFSET;
}

export function addByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, FNV_PRIME);
}

export function addBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let sum = hash;
  for (let i = start; i < end; i++) sum = Math.imul(sum ^ bytes[i]!, FNV_PRIME);
  return sum;
}

export function addText(hash: number, text: string): number {
  let sum = hash;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), FNV_PRIME);
  return sum;
}

/** FNV leaves neighbours near each other; this spreads them over all 32 bits (the end of MurmurHash3). */
export function endHash(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function hashOfText(text: string): number {
  return endHash(addText(beginHash(), text));
}
