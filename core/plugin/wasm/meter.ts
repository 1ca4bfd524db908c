import { MalformedModule, WasmReader, WasmWriter } from "./bytes.ts";
import { isSizedBulk, Op, skipImmediates, skipValueType } from "./instruction.ts";
import { type ModuleMap, mapModule, readLimits, readSection, readTable, SECTION_ORDER, Section } from "./module.ts";

/** What a rewritten module may use at most. */
export interface MeterOptions {
  /** 64 KiB pages of linear memory. */
  readonly maxPages: number;
  /** Entries of each table. */
  readonly maxTableEntries: number;
}

/** Names of the functions a rewritten module exports besides its own: fill the tank, read it, and its start function. */
export const FUEL_SET = "mesh:fuel_set";
export const FUEL_GET = "mesh:fuel_get";
export const START = "mesh:start";

/** Instructions that cost one unit each; what is above costs a sixteenth, so that units stay close to time. */
const FULL_PRICE = 16;
/** A unit for every 32 bytes or entries that a bulk instruction touches. */
const BULK_SHIFT = 5;
/** Growing memory may copy or map pages: it counts as this many instructions. */
const GROW_WEIGHT = 1024;
/** Bytes of code between two pauses of `meterSteps`. */
const STEP_BYTES = 1 << 18;

/** Where the helpers of the rewritten module are found: everything is appended, nothing is renumbered. */
interface Helpers {
  readonly fuel: number;
  readonly set: number;
  readonly get: number;
  readonly bulk: number;
}

/**
 * Rewrites a module so that it runs out: every function entry and every turn
 * of a loop takes fuel, bulk instructions take fuel by their size, and where
 * the tank is empty the module traps, which no guest can catch. Memory and
 * tables are clamped. The start function is exported instead of run, and the
 * tank is empty at first: instantiation runs nothing of the guest.
 *
 * The original must have been validated by the engine before: a rewritten
 * module that names an index past its own would reach the helpers.
 *
 * @throws {MalformedModule} for what the sandbox does not offer.
 */
export function meter(bytes: Uint8Array, options: MeterOptions): Uint8Array {
  const steps = meterSteps(bytes, options);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

/** The same work in pieces of about a millisecond, so that a large module holds up nobody. */
export function* meterSteps(bytes: Uint8Array, options: MeterOptions): Generator<void, Uint8Array> {
  const map = mapModule(bytes);
  const first = map.importedFunctions + map.functions;
  const helpers: Helpers = { fuel: map.globals, set: first, get: first + 1, bulk: first + 2 };
  const out = new WasmWriter();
  out.copy(bytes, 0, 8);
  for (const id of SECTION_ORDER) {
    const section = new WasmWriter();
    if (id === Section.Code) yield* writeCode(map, helpers, section);
    else if (!writeSection(id, map, helpers, options, section)) continue;
    out.u8(id);
    out.sized(section);
  }
  return out.view().slice();
}

/** Writes any section but the code; false where the module has none and needs none. */
function writeSection(id: number, map: ModuleMap, helpers: Helpers, options: MeterOptions, out: WasmWriter): boolean {
  if (id === Section.Type) writeTypes(map, out);
  else if (id === Section.Function) writeFunctions(map, out);
  else if (id === Section.Global) writeGlobals(map, out);
  else if (id === Section.Export) writeExports(map, helpers, out);
  else if (id === Section.Start || !map.sections.has(id)) return false;
  else if (id === Section.Table) writeTables(map, options.maxTableEntries, out);
  else if (id === Section.Memory) writeMemories(map, options.maxPages, out);
  else copySection(map, id, out);
  return true;
}

function copySection(map: ModuleMap, id: number, out: WasmWriter): void {
  const span = map.sections.get(id)!;
  out.copy(map.bytes, span.start, span.end);
}

/** Copies a section with `added` more entries announced than it has; the caller writes them. */
function copyRest(map: ModuleMap, id: number, added: number, out: WasmWriter): void {
  const reader = readSection(map, id);
  out.u32((reader?.u32() ?? 0) + added);
  if (reader !== null) out.copy(map.bytes, reader.at, reader.end);
}

const I32 = 0x7f;

/** Adds the types (i32)→(), ()→i32 and (i32)→i32 of the helpers. */
function writeTypes(map: ModuleMap, out: WasmWriter): void {
  copyRest(map, Section.Type, 3, out);
  out.raw([0x60, 1, I32, 0]);
  out.raw([0x60, 0, 1, I32]);
  out.raw([0x60, 1, I32, 1, I32]);
}

function writeFunctions(map: ModuleMap, out: WasmWriter): void {
  copyRest(map, Section.Function, 3, out);
  for (let i = 0; i < 3; i++) out.u32(map.types + i);
}

function writeGlobals(map: ModuleMap, out: WasmWriter): void {
  copyRest(map, Section.Global, 1, out);
  out.raw([I32, 1, Op.I32Const, 0, Op.End]);
}

function writeExports(map: ModuleMap, helpers: Helpers, out: WasmWriter): void {
  const start = readSection(map, Section.Start);
  copyRest(map, Section.Export, start === null ? 2 : 3, out);
  writeExport(FUEL_SET, helpers.set, out);
  writeExport(FUEL_GET, helpers.get, out);
  if (start !== null) writeExport(START, start.u32(), out);
}

function writeExport(name: string, index: number, out: WasmWriter): void {
  out.name(name);
  out.u8(0);
  out.u32(index);
}

function writeTables(map: ModuleMap, most: number, out: WasmWriter): void {
  const reader = readSection(map, Section.Table)!;
  const count = reader.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    const { typeEnd, limits } = readTable(reader);
    if (limits.min > most) throw new MalformedModule(`needs a table of ${limits.min} entries, and may have ${most}`);
    out.copy(map.bytes, start, typeEnd);
    writeLimits(limits.min, Math.min(limits.max ?? most, most), out);
  }
}

function writeMemories(map: ModuleMap, most: number, out: WasmWriter): void {
  const reader = readSection(map, Section.Memory)!;
  const count = reader.u32();
  if (count > 1) throw new MalformedModule("uses more than one memory");
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const limits = readLimits(reader);
    if (limits.min > most) throw new MalformedModule(`needs ${limits.min} pages of memory, and may have ${most}`);
    writeLimits(limits.min, Math.min(limits.max ?? most, most), out);
  }
}

function writeLimits(min: number, max: number, out: WasmWriter): void {
  out.u8(1);
  out.u32(min);
  out.u32(max);
}

function* writeCode(map: ModuleMap, helpers: Helpers, out: WasmWriter): Generator<void> {
  const reader = readSection(map, Section.Code);
  const count = reader?.u32() ?? 0;
  out.u32(count + 3);
  const body = new WasmWriter();
  let pauseAt = STEP_BYTES;
  for (let i = 0; i < count; i++) {
    const size = reader!.u32();
    const start = reader!.at;
    reader!.skip(size);
    meterBody(new WasmReader(map.bytes, start, start + size), helpers, body);
    out.sized(body);
    if (out.length > pauseAt) {
      pauseAt = out.length + STEP_BYTES;
      yield;
    }
  }
  writeHelpers(helpers, body, out);
}

/** Where something is inserted into a body: a charge behind a loop opcode, or a toll before a bulk instruction. */
interface Insertion {
  readonly at: number;
  /** Instructions of the loop; grows while the body is scanned. -1 for a toll. */
  cost: number;
}

/** Copies one function body, with a charge at its entry, at each loop, and tolls before bulk instructions. */
function meterBody(reader: WasmReader, helpers: Helpers, out: WasmWriter): void {
  const start = reader.at;
  for (let left = reader.u32(); left > 0; left--) {
    reader.skipLeb();
    skipValueType(reader);
  }
  const entry: Insertion = { at: reader.at, cost: 0 };
  const insertions = scan(reader, entry);

  out.clear();
  let from = start;
  for (const insertion of insertions) {
    out.copy(reader.bytes, from, insertion.at);
    from = insertion.at;
    if (insertion.cost < 0) toll(helpers, out);
    else charge(price(insertion.cost), helpers.fuel, out);
  }
  out.copy(reader.bytes, from, reader.end);
}

/** Counts the instructions of each loop, what is in no loop goes to the entry; returns the insertions in order. */
function scan(reader: WasmReader, entry: Insertion): readonly Insertion[] {
  const insertions: Insertion[] = [entry];
  const outer: Insertion[] = [];
  let current = entry;
  while (reader.at < reader.end) {
    const at = reader.at;
    const op = reader.u8();
    const sub = skipImmediates(op, reader);
    current.cost += op === Op.MemoryGrow ? GROW_WEIGHT : 1;
    switch (op) {
      case Op.Loop:
        outer.push(current);
        current = { at: reader.at, cost: 0 };
        insertions.push(current);
        break;
      case Op.Block:
      case Op.If:
      case Op.Try:
      case Op.TryTable:
        outer.push(current);
        break;
      case Op.End: // the last one closes the body
      case Op.Delegate:
        current = outer.pop() ?? entry;
        break;
      case Op.Bulk:
        if (isSizedBulk(sub)) insertions.push({ at, cost: -1 });
        break;
    }
  }
  return insertions;
}

/** Units for so many instructions. The part above full price closes the hole of long bodies without a loop. */
function price(instructions: number): number {
  if (instructions <= FULL_PRICE) return Math.max(1, instructions);
  return Math.max(FULL_PRICE, instructions >>> 4);
}

/** fuel -= units; if (fuel < 0) trap */
function charge(units: number, fuel: number, out: WasmWriter): void {
  out.u8(Op.GlobalGet);
  out.u32(fuel);
  out.u8(Op.I32Const);
  out.s32(units);
  out.u8(Op.I32Sub);
  spend(fuel, out);
}

/** Stores what is on the stack as the new fuel, and traps where it is negative. */
function spend(fuel: number, out: WasmWriter): void {
  out.u8(Op.GlobalSet);
  out.u32(fuel);
  out.u8(Op.GlobalGet);
  out.u32(fuel);
  out.raw([Op.I32Const, 0, Op.I32LtS, Op.If, 0x40, Op.Unreachable, Op.End]);
}

/** The size on top of the stack passes through the helper that charges for it. */
function toll(helpers: Helpers, out: WasmWriter): void {
  out.u8(Op.Call);
  out.u32(helpers.bulk);
}

function writeHelpers(helpers: Helpers, body: WasmWriter, out: WasmWriter): void {
  const write = (code: () => void): void => {
    body.clear();
    body.u8(0); // no locals
    code();
    body.u8(Op.End);
    out.sized(body);
  };
  write(() => {
    body.raw([Op.LocalGet, 0, Op.GlobalSet]);
    body.u32(helpers.fuel);
  });
  write(() => {
    body.u8(Op.GlobalGet);
    body.u32(helpers.fuel);
  });
  write(() => {
    body.u8(Op.GlobalGet);
    body.u32(helpers.fuel);
    body.raw([Op.LocalGet, 0, Op.I32Const, BULK_SHIFT, Op.I32ShrU, Op.I32Sub]);
    spend(helpers.fuel, body);
    body.raw([Op.LocalGet, 0]);
  });
}
