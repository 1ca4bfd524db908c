/**
 * Lengths of the codes of all bytes, and of EOS (RFC 7541, appendix B). The
 * code is canonical: codes of one length follow each other in the order of
 * their symbols, so that the lengths say it all.
 */
// biome-ignore format: a table
const LENGTHS = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
);
const EOS = 256;
const LONGEST = 30;

/** By the next eight bits: symbol << 4 | length where the code is that short, else 0. */
const SHORT = new Uint16Array(256);
/** Of each length: its first code, how many there are, and where its symbols begin in SYMBOLS. */
const FIRST = new Int32Array(LONGEST + 1);
const COUNT = new Int32Array(LONGEST + 1);
const BEGIN = new Int32Array(LONGEST + 1);
const SYMBOLS = new Uint16Array(257);

for (let length = 1, code = 0, placed = 0; length <= LONGEST; length++, code <<= 1) {
  FIRST[length] = code;
  BEGIN[length] = placed;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    if (LENGTHS[symbol] !== length) continue;
    if (length <= 8) SHORT.fill((symbol << 4) | length, code << (8 - length), (code + 1) << (8 - length));
    SYMBOLS[placed++] = symbol;
    code++;
  }
  COUNT[length] = placed - BEGIN[length]!;
}

/** What is left over is not the beginning of EOS, or is a whole byte of it, or EOS itself stands in the text. */
export const BAD_CODE = -1;
/** The text does not fit. */
export const NO_ROOM = -2;

/**
 * Decodes a Huffman-coded string into `to`, from `at` on and below `limit`.
 *
 * @returns the offset behind the text, `BAD_CODE` or `NO_ROOM`.
 */
export function decodeHuffman(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
  limit: number,
): number {
  const stop = end * 8;
  let bit = start * 8;
  let out = at;
  while (bit < stop) {
    const byte = bit >>> 3;
    // Behind the end stand ones, as in the padding.
    const next = byte + 1 < end ? from[byte + 1]! : 0xff;
    const short = SHORT[(((from[byte]! << 8) | next) >>> (8 - (bit & 7))) & 0xff]!;
    let symbol = short >>> 4;
    let length = short & 15;
    if (short === 0) {
      const long = longCode(from, bit, stop);
      if (long < 0) return stop - bit < 8 && isPadding(from, bit, stop) ? out : BAD_CODE;
      symbol = long >>> 5;
      length = long & 31;
    }
    if (bit + length > stop) return isPadding(from, bit, stop) ? out : BAD_CODE;
    if (symbol === EOS) return BAD_CODE;
    if (out >= limit) return NO_ROOM;
    to[out++] = symbol;
    bit += length;
  }
  return out;
}

/** symbol << 5 | length of a code of more than eight bits; -1 where the bits end before it does. */
function longCode(from: Uint8Array, start: number, stop: number): number {
  let value = 0;
  for (let length = 1; length <= LONGEST; length++) {
    const bit = start + length - 1;
    if (bit >= stop) return -1;
    value = (value << 1) | ((from[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
    const place = value - FIRST[length]!;
    if (place < COUNT[length]!) return (SYMBOLS[BEGIN[length]! + place]! << 5) | length;
  }
  return -1;
}

/** Fewer than eight ones (RFC 7541, section 5.2). */
function isPadding(from: Uint8Array, bit: number, stop: number): boolean {
  const size = stop - bit;
  const ones = (1 << size) - 1;
  return size < 8 && (from[bit >>> 3]! & ones) === ones;
}
