import { JsonReader } from "./json";

@external("extism:host/env", "input_length")
declare function input_length(): u64;
@external("extism:host/env", "input_load_u64")
declare function input_load_u64(at: u64): u64;
@external("extism:host/env", "input_load_u8")
declare function input_load_u8(at: u64): u8;

/** Where the input of every call is put; grows, and is never given back. */
let buffer: usize = 0;
let capacity: i32 = 0;

/** Parts of the request beside its headers. */
const enum Part {
  Method,
  Path,
  Query,
  Authority,
  Identity,
  Address,
  Service,
  Route,
  Count,
}

/** The mesh refuses requests with more headers. */
const MAX_HEADERS = 256;

/** Start and end of every part; the end is negative where there are escapes between. */
const parts = new StaticArray<i32>(<i32>Part.Count * 2);
/** Start and end of each name, start and end of each value. */
const headers = new StaticArray<i32>(MAX_HEADERS * 4);

/**
 * The request a policy is asked about. Nothing is turned into text until
 * somebody asks for it. There is one at a time: it is valid until the call ends.
 */
export class Request {
  private readonly json: JsonReader;
  private headerCount: i32 = 0;

  private constructor(json: JsonReader) {
    this.json = json;
  }

  /** Reads the input of this call. */
  static read(): Request {
    const length = <i32>input_length();
    readInput(length);
    const request = new Request(new JsonReader(buffer, length));
    request.index();
    return request;
  }

  get method(): string {
    return this.part(Part.Method);
  }
  get path(): string {
    return this.part(Part.Path);
  }
  get query(): string {
    return this.part(Part.Query);
  }
  get authority(): string {
    return this.part(Part.Authority);
  }
  /** SPIFFE ID of the caller; "" where it proved none. */
  get identity(): string {
    return this.part(Part.Identity);
  }
  get address(): string {
    return this.part(Part.Address);
  }
  get service(): string {
    return this.part(Part.Service);
  }
  get route(): string {
    return this.part(Part.Route);
  }

  /** Value of a header by its lower-case name; null without one. */
  header(name: string): string | null {
    for (let i = 0; i < this.headerCount * 4; i += 4) {
      if (!this.json.is(unchecked(headers[i]), unchecked(headers[i + 1]), name)) continue;
      return this.json.text(unchecked(headers[i + 2]), unchecked(headers[i + 3]));
    }
    return null;
  }

  /** Value of a cookie; null without one. */
  cookie(name: string): string | null {
    const header = this.header("cookie");
    if (header === null) return null;
    const pairs = header.split(";");
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[i].trim();
      if (pair.startsWith(name + "=")) return pair.substring(name.length + 1);
    }
    return null;
  }

  private part(part: Part): string {
    return this.json.text(unchecked(parts[part * 2]), unchecked(parts[part * 2 + 1]));
  }

  /** Notes where everything is. The first letters tell the keys of the contract apart. */
  private index(): void {
    memory.fill(changetype<usize>(parts), 0, <i32>Part.Count * 8);
    const json = this.json;
    json.expect(0x7b);
    while (json.nextMember()) {
      const key = json.span();
      const end = json.lastEnd;
      json.expect(0x3a);
      if (json.is(key, end, "headers")) this.indexHeaders();
      else if (json.is(key, end, "source")) this.indexSource();
      else if (json.is(key, end, "method")) this.note(Part.Method);
      else if (json.is(key, end, "path")) this.note(Part.Path);
      else if (json.is(key, end, "query")) this.note(Part.Query);
      else if (json.is(key, end, "authority")) this.note(Part.Authority);
      else if (json.is(key, end, "service")) this.note(Part.Service);
      else if (json.is(key, end, "route")) this.note(Part.Route);
      else json.skip();
    }
  }

  private note(part: Part): void {
    unchecked((parts[part * 2] = this.json.span()));
    unchecked((parts[part * 2 + 1] = this.json.lastEnd));
  }

  private indexHeaders(): void {
    const json = this.json;
    let at = 0;
    json.expect(0x7b);
    while (json.nextMember()) {
      assert(at < MAX_HEADERS * 4);
      unchecked((headers[at] = json.span()));
      unchecked((headers[at + 1] = json.lastEnd));
      json.expect(0x3a);
      unchecked((headers[at + 2] = json.span()));
      unchecked((headers[at + 3] = json.lastEnd));
      at += 4;
    }
    this.headerCount = at / 4;
  }

  private indexSource(): void {
    const json = this.json;
    json.expect(0x7b);
    while (json.nextMember()) {
      const key = json.span();
      const end = json.lastEnd;
      json.expect(0x3a);
      if (json.is(key, end, "identity")) this.note(Part.Identity);
      else if (json.is(key, end, "address")) this.note(Part.Address);
      else json.skip();
    }
  }
}

function readInput(length: i32): void {
  if (length > capacity) {
    if (buffer != 0) heap.free(buffer);
    capacity = length + 1024;
    buffer = heap.alloc(capacity);
  }
  let at = 0;
  for (; at + 8 <= length; at += 8) store<u64>(buffer + at, input_load_u64(at));
  for (; at < length; at++) store<u8>(buffer + at, input_load_u8(at));
}
