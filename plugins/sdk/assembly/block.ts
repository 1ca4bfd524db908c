@external("extism:host/env", "alloc")
declare function alloc(length: u64): u64;
@external("extism:host/env", "store_u64")
declare function store_u64(at: u64, value: u64): void;
@external("extism:host/env", "store_u8")
declare function store_u8(at: u64, value: u8): void;
@external("extism:host/env", "output_set")
declare function output_set(at: u64, length: u64): void;

/** Copies bytes into a block of the host, eight at a time. 0 where it gives none. */
export function block(start: usize, length: i32): u64 {
  const handle = alloc(length);
  if (handle == 0) return 0;
  let at = 0;
  for (; at + 8 <= length; at += 8) store_u64(handle + at, load<u64>(start + at));
  for (; at < length; at++) store_u8(handle + at, load<u8>(start + at));
  return handle;
}

/** A block with the UTF-8 of a text. */
export function textBlock(text: string): u64 {
  const bytes = String.UTF8.encode(text);
  return block(changetype<usize>(bytes), bytes.byteLength);
}

/** Makes a text the output of this call. */
export function output(text: string): void {
  const bytes = String.UTF8.encode(text);
  output_set(block(changetype<usize>(bytes), bytes.byteLength), bytes.byteLength);
}
