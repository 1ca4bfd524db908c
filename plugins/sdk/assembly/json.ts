/**
 * Walks JSON without building anything: the reader stands in front of a value
 * and is told to enter, read or skip it. Malformed text traps, which is a fault.
 */
export class JsonReader {
  private readonly base: usize;
  private readonly end: i32;
  /** Keeps the bytes alive where they are on the heap. */
  private readonly owner: ArrayBuffer | null;
  private at: i32 = 0;

  constructor(base: usize, length: i32, owner: ArrayBuffer | null = null) {
    this.base = base;
    this.end = length;
    this.owner = owner;
  }

  static of(text: string): JsonReader {
    const bytes = String.UTF8.encode(text);
    return new JsonReader(changetype<usize>(bytes), bytes.byteLength, bytes);
  }

  /** The next byte that is not white space; the reader stays in front of it. */
  peek(): u8 {
    while (this.at < this.end) {
      const c = load<u8>(this.base + this.at);
      if (c > 0x20) return c;
      this.at++;
    }
    return 0;
  }

  /** Steps over a byte if it comes next. */
  take(c: u8): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  expect(c: u8): void {
    assert(this.take(c));
  }

  /** Inside an object: steps to the next member, whose key comes next. False, and past the end, after the last. */
  nextMember(): bool {
    if (this.take(0x7d)) return false;
    this.take(0x2c);
    return true;
  }

  /** Inside an array: the same for elements. */
  nextElement(): bool {
    if (this.take(0x5d)) return false;
    this.take(0x2c);
    return true;
  }

  enterObject(): bool {
    return this.take(0x7b);
  }

  enterArray(): bool {
    return this.take(0x5b);
  }

  /** Steps over a string and returns where its inside begins; it ends at `lastEnd`, negative where it has escapes. */
  span(): i32 {
    this.expect(0x22);
    const base = this.base;
    const end = this.end;
    const start = this.at;
    let escaped = false;
    let at = start;
    while (true) {
      while (at + 8 <= end && isPlain(load<u64>(base + at))) at += 8;
      assert(at < end);
      const c = load<u8>(base + at++);
      if (c == 0x22) break;
      if (c != 0x5c) continue;
      escaped = true;
      at++;
    }
    at--;
    this.lastEnd = escaped ? -at : at;
    this.at = at + 1;
    return start;
  }
  lastEnd: i32 = 0;

  /** Text of a span; UTF-8 and escapes are decoded. */
  text(start: i32, end: i32): string {
    const text = String.UTF8.decodeUnsafe(this.base + start, abs(end) - start);
    return end < 0 ? unescape(text) : text;
  }

  string(): string {
    const start = this.span();
    return this.text(start, this.lastEnd);
  }

  key(): string {
    const key = this.string();
    this.expect(0x3a);
    return key;
  }

  /** True where the bytes of a span are those of ASCII text. */
  is(start: i32, end: i32, text: string): bool {
    if (end - start != text.length) return false;
    const at = this.base + start;
    const wanted = changetype<usize>(text);
    for (let i = 0; i < text.length; i++) if (<u16>load<u8>(at + i) != load<u16>(wanted + (i << 1))) return false;
    return true;
  }

  skip(): void {
    const c = this.peek();
    if (c == 0x22) {
      this.span();
    } else if (c == 0x7b) {
      this.at++;
      while (this.nextMember()) {
        this.span();
        this.expect(0x3a);
        this.skip();
      }
    } else if (c == 0x5b) {
      this.at++;
      while (this.nextElement()) this.skip();
    } else {
      const start = this.at;
      while (this.at < this.end && isScalar(load<u8>(this.base + this.at))) this.at++;
      assert(this.at > start);
    }
  }
}

/** True where none of eight bytes is a quote or a backslash: a byte that is 0 after the xor borrows into its top bit. */
@inline
function isPlain(eight: u64): bool {
  const quote = eight ^ 0x2222222222222222;
  const slash = eight ^ 0x5c5c5c5c5c5c5c5c;
  const low: u64 = 0x0101010101010101;
  return ((((quote - low) & ~quote) | ((slash - low) & ~slash)) & 0x8080808080808080) == 0;
}

/** Bytes of numbers, true, false and null. */
function isScalar(c: u8): bool {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x7a) || c == 0x2d || c == 0x2b || c == 0x2e || c == 0x45;
}

function unescape(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c == 0x5c) {
      c = text.charCodeAt(++i);
      if (c == 0x75) {
        c = <i32>parseInt(text.substr(i + 1, 4), 16);
        i += 4;
      } else if (c == 0x6e) c = 0x0a;
      else if (c == 0x74) c = 0x09;
      else if (c == 0x72) c = 0x0d;
      else if (c == 0x62) c = 0x08;
      else if (c == 0x66) c = 0x0c;
    }
    out += String.fromCharCode(c);
  }
  return out;
}

/** Text as a JSON string, quotes included. */
export function quote(text: string): string {
  let start = 0;
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(start, i);
    out += c < 0x20 ? "\\u00" + (c < 16 ? "0" : "1") + (c & 15).toString(16) : "\\" + String.fromCharCode(c);
    start = i + 1;
  }
  return out + text.substring(start) + '"';
}
