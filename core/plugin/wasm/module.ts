import { MalformedModule, WasmReader } from "./bytes.ts";
import { skipValueType } from "./instruction.ts";

/** Numbers of the sections of a binary module. */
export const Section = {
  Custom: 0,
  Type: 1,
  Import: 2,
  Function: 3,
  Table: 4,
  Memory: 5,
  Global: 6,
  Export: 7,
  Start: 8,
  Element: 9,
  Code: 10,
  Data: 11,
  DataCount: 12,
  Tag: 13,
} as const;

/** The order in which sections must stand in a file. */
export const SECTION_ORDER: readonly number[] = [
  Section.Type,
  Section.Import,
  Section.Function,
  Section.Table,
  Section.Memory,
  Section.Tag,
  Section.Global,
  Section.Export,
  Section.Start,
  Section.Element,
  Section.DataCount,
  Section.Code,
  Section.Data,
];

/** Where a section's content lies. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Sizes of the index spaces, and where the sections are. */
export interface ModuleMap {
  readonly bytes: Uint8Array;
  readonly sections: ReadonlyMap<number, Span>;
  readonly types: number;
  readonly importedFunctions: number;
  readonly functions: number;
  readonly globals: number;
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/**
 * Finds the sections of a module that an engine has already validated.
 *
 * @throws {MalformedModule} when it is not a core module, or imports anything but functions.
 */
export function mapModule(bytes: Uint8Array): ModuleMap {
  if (HEADER.some((byte, i) => bytes[i] !== byte)) throw new MalformedModule("is not a WASM core module");
  const sections = sectionsOf(bytes);
  return {
    bytes,
    sections,
    types: countOf(bytes, sections, Section.Type),
    importedFunctions: countImports(bytes, sections),
    functions: countOf(bytes, sections, Section.Function),
    globals: countOf(bytes, sections, Section.Global),
  };
}

/** A reader of a section's content; null where the module has none. */
export function readSection(map: ModuleMap, id: number): WasmReader | null {
  const span = map.sections.get(id);
  return span === undefined ? null : new WasmReader(map.bytes, span.start, span.end);
}

export interface Limits {
  readonly min: number;
  readonly max: number | null;
}

/** Reads the limits of a memory or table. 64-bit, shared and custom-page ones do not exist in the sandbox. */
export function readLimits(reader: WasmReader): Limits {
  const flags = reader.u8();
  if (flags > 1) throw new MalformedModule("declares a shared or 64-bit memory");
  const min = reader.u32();
  return { min, max: flags === 1 ? reader.u32() : null };
}

function sectionsOf(bytes: Uint8Array): Map<number, Span> {
  const sections = new Map<number, Span>();
  const reader = new WasmReader(bytes, HEADER.length);
  while (reader.at < bytes.length) {
    const id = reader.u8();
    const size = reader.u32();
    const start = reader.at;
    reader.skip(size);
    if (id === Section.Custom) continue; // names and debug data: nobody reads them here
    if (!SECTION_ORDER.includes(id)) throw new MalformedModule(`has the unknown section ${id}`);
    if (sections.has(id)) throw new MalformedModule(`has section ${id} twice`);
    sections.set(id, { start, end: reader.at });
  }
  return sections;
}

function countImports(bytes: Uint8Array, sections: ReadonlyMap<number, Span>): number {
  const span = sections.get(Section.Import);
  if (span === undefined) return 0;
  const reader = new WasmReader(bytes, span.start, span.end);
  const count = reader.u32();
  for (let i = 0; i < count; i++) {
    const name = `${reader.name()}.${reader.name()}`;
    if (reader.u8() !== 0) throw new MalformedModule(`imports "${name}", which is not a function`);
    reader.skipLeb();
  }
  return count;
}

function countOf(bytes: Uint8Array, sections: ReadonlyMap<number, Span>, id: number): number {
  const span = sections.get(id);
  return span === undefined ? 0 : new WasmReader(bytes, span.start, span.end).u32();
}

/** Steps over the type and limits of a table declaration; returns the limits and where they begin. */
export function readTable(reader: WasmReader): { readonly typeEnd: number; readonly limits: Limits } {
  if (reader.bytes[reader.at] === 0x40) throw new MalformedModule("fills a table by an expression");
  skipValueType(reader);
  return { typeEnd: reader.at, limits: readLimits(reader) };
}
