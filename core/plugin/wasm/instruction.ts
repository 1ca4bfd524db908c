import { MalformedModule, type WasmReader } from "./bytes.ts";

/** Opcodes that the rewriter has to know by name. */
export const Op = {
  Unreachable: 0x00,
  Block: 0x02,
  Loop: 0x03,
  If: 0x04,
  Try: 0x06,
  End: 0x0b,
  Call: 0x10,
  Delegate: 0x18,
  TryTable: 0x1f,
  LocalGet: 0x20,
  GlobalGet: 0x23,
  GlobalSet: 0x24,
  MemoryGrow: 0x40,
  I32Const: 0x41,
  I32LtS: 0x48,
  I32Sub: 0x6b,
  I32ShrU: 0x76,
  Bulk: 0xfc,
  Vector: 0xfd,
} as const;

/** Operations behind the 0xfc prefix whose work grows with the number on top of the stack. */
const SIZED_BULK: ReadonlySet<number> = new Set([8, 10, 11, 12, 14, 15, 17]);

export function isSizedBulk(sub: number): boolean {
  return SIZED_BULK.has(sub);
}

/** Steps over a value type. */
export function skipValueType(reader: WasmReader): void {
  const type = reader.u8();
  if (type === 0x63 || type === 0x64) reader.skipLeb();
}

/**
 * Steps over the immediates of an instruction whose opcode was just read.
 * Returns the second opcode of prefixed instructions, else 0.
 *
 * @throws {MalformedModule} for opcodes this reader does not know: threads
 * (a guest could wait for ever), garbage collection, and whatever comes later.
 */
export function skipImmediates(op: number, reader: WasmReader): number {
  if (op >= 0x45 && op <= 0xc4) return 0;
  if (op >= 0x28 && op <= 0x3e) return skipMemoryArgument(reader);
  switch (op) {
    case 0x00: // unreachable
    case 0x01: // nop
    case 0x05: // else
    case 0x0a: // throw_ref
    case 0x0b: // end
    case 0x0f: // return
    case 0x19: // catch_all
    case 0x1a: // drop
    case 0x1b: // select
    case 0xd1: // ref.is_null
      return 0;
    case 0x02: // block
    case 0x03: // loop
    case 0x04: // if
    case 0x06: // try
      return skipBlockType(reader);
    case 0x07: // catch
    case 0x08: // throw
    case 0x09: // rethrow
    case 0x0c: // br
    case 0x0d: // br_if
    case 0x10: // call
    case 0x12: // return_call
    case 0x18: // delegate
    case 0x20: // local.get
    case 0x21: // local.set
    case 0x22: // local.tee
    case 0x23: // global.get
    case 0x24: // global.set
    case 0x25: // table.get
    case 0x26: // table.set
    case 0x3f: // memory.size
    case 0x40: // memory.grow
    case 0x41: // i32.const
    case 0x42: // i64.const
    case 0xd0: // ref.null
    case 0xd2: // ref.func
      return skipLebs(reader, 1);
    case 0x11: // call_indirect
    case 0x13: // return_call_indirect
      return skipLebs(reader, 2);
    case 0x0e: // br_table: the labels, and one more for the default
      return skipLebs(reader, reader.u32() + 1);
    case 0x1c: // select with types
      for (let left = reader.u32(); left > 0; left--) skipValueType(reader);
      return 0;
    case 0x1f:
      return skipTryTable(reader);
    case 0x43: // f32.const
      reader.skip(4);
      return 0;
    case 0x44: // f64.const
      reader.skip(8);
      return 0;
    case 0xfc:
      return skipBulk(reader);
    case 0xfd:
      return skipVector(reader);
    default:
      throw new MalformedModule(`uses the unknown instruction 0x${op.toString(16)}`);
  }
}

function skipLebs(reader: WasmReader, count: number): number {
  for (let left = count; left > 0; left--) reader.skipLeb();
  return 0;
}

function skipMemoryArgument(reader: WasmReader): number {
  if (reader.u32() >= 0x40) throw new MalformedModule("uses more than one memory");
  reader.skipLeb();
  return 0;
}

function skipBlockType(reader: WasmReader): number {
  const first = reader.bytes[reader.at]!;
  if (first === 0x63 || first === 0x64) skipValueType(reader);
  else reader.skipLeb(); // a type index, or a one-byte value type: both are a LEB128
  return 0;
}

function skipTryTable(reader: WasmReader): number {
  skipBlockType(reader);
  for (let left = reader.u32(); left > 0; left--) {
    if (reader.u8() < 2) reader.skipLeb();
    reader.skipLeb();
  }
  return 0;
}

function skipBulk(reader: WasmReader): number {
  const sub = reader.u32();
  if (sub <= 7) return sub; // saturating truncations
  if (sub > 17) throw new MalformedModule(`uses the unknown instruction 0xfc ${sub}`);
  const two = sub === 8 || sub === 10 || sub === 12 || sub === 14;
  skipLebs(reader, two ? 2 : 1);
  return sub;
}

function skipVector(reader: WasmReader): number {
  const sub = reader.u32();
  if (sub > 0x113) throw new MalformedModule(`uses the unknown instruction 0xfd ${sub}`);
  if (sub <= 11 || sub === 92 || sub === 93) skipMemoryArgument(reader);
  else if (sub === 12 || sub === 13) reader.skip(16);
  else if (sub >= 21 && sub <= 34) reader.skip(1);
  else if (sub >= 84 && sub <= 91) {
    skipMemoryArgument(reader);
    reader.skip(1);
  }
  return sub;
}
