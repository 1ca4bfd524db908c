import { MeshError, NO_BYTES } from "../base/mod.ts";
import { Field, type Fields, fieldNamed } from "../http/mod.ts";
import type { HeaderEditsModel } from "./model.ts";

/** A header modifier that would change how a message is framed or routed, or that is no header at all. */
export class InvalidHeaderEdit extends MeshError {
  override readonly name = "InvalidHeaderEdit";
  readonly code = "MESH_INVALID_HEADER_EDIT";
  readonly source = "mesh";

  constructor(header: string, problem: string) {
    super(`Cannot edit the header ${JSON.stringify(header)}: ${problem}`);
  }
}

/** A line that an edit adds; its name in lower case, for HTTP/2. */
export interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/** Header modifiers made ready: what does not go on, and the bytes that are added. Immutable. */
export class HeaderEdits {
  /** Whole lines with their CRLF: what is set, then what is added. */
  readonly lines: Buffer;
  readonly added: readonly HeaderLine[];
  /** Lower-case names of what does not go on, "_" written as "-". */
  readonly dropped: readonly string[];
  /** 1 at the number of each dropped name that has one. */
  readonly #known: Uint8Array;
  /** Dropped names as bytes: for fields without a number, and look-alikes of those with one. */
  readonly #names: readonly Uint8Array[];

  constructor(dropped: Iterable<string>, lines: readonly HeaderLine[]) {
    this.dropped = [...dropped];
    this.added = lines.map(({ name, value }) => ({ name: name.toLowerCase(), value }));
    this.lines =
      lines.length === 0
        ? NO_BYTES
        : Buffer.from(lines.map(({ name, value }) => `${name}: ${value}\r\n`).join(""), "utf8");
    this.#known = new Uint8Array(256);
    for (const name of this.dropped) this.#known[fieldNamed(name)] = 1;
    this.#known[Field.Unknown] = 0;
    this.#names = this.dropped.map((name) => Buffer.from(name));
  }

  /**
   * Whether a field does not go on. "_" counts as "-": a look-alike of a header
   * that the mesh sets must not reach an app that reads both as one.
   */
  drops(head: Fields, i: number): boolean {
    const id = head.ids[i]!;
    if (id !== Field.Unknown) return this.#known[id] === 1;
    const names = this.#names;
    for (let k = 0; k < names.length; k++) if (head.isNamed(i, names[k]!)) return true;
    return false;
  }
}

/**
 * Compiles header modifiers that follow each other, a rule's before its
 * backend's, into one: a later set or removal also takes back what an earlier
 * one added. Null where nothing is edited.
 *
 * @throws {InvalidHeaderEdit}
 */
export function compileEdits(...models: readonly (HeaderEditsModel | undefined)[]): HeaderEdits | null {
  const dropped = new Set<string>();
  let lines: HeaderLine[] = [];
  for (const { remove = [], set = [], add = [] } of models.filter((model) => model !== undefined)) {
    for (const name of [...remove, ...set.map((line) => line.name)]) {
      const gone = fold(checkedName(name));
      dropped.add(gone);
      lines = lines.filter((line) => fold(line.name) !== gone);
    }
    lines.push(...[...set, ...add].map(checkedLine));
  }
  return dropped.size + lines.length === 0 ? null : new HeaderEdits(dropped, lines);
}

/** Connection fields and framing belong to the hop, Host to the route. */
const REFUSED: ReadonlySet<number> = new Set([
  Field.Host,
  Field.ContentLength,
  Field.TransferEncoding,
  Field.Connection,
  Field.KeepAlive,
  Field.ProxyConnection,
  Field.Te,
  Field.Trailer,
  Field.Upgrade,
  Field.Expect,
]);

function checkedName(name: string): string {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new InvalidHeaderEdit(name, "it is no header name");
  if (REFUSED.has(fieldNamed(fold(name))))
    throw new InvalidHeaderEdit(name, "the mesh itself writes framing, connection and Host fields");
  return name;
}

function checkedLine({ name, value }: HeaderLine): HeaderLine {
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) throw new InvalidHeaderEdit(name, "its value has control characters");
  return { name: checkedName(name), value: value.trim() };
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}
