import {
  type HeaderChange,
  HeaderChanges,
  MAX_CHANGE_BYTES,
  MAX_CHANGES,
  NO_CHANGES,
  problemOfChange,
} from "../header-change.ts";
import { CONTINUE, fault, Verdict, VerdictKind } from "../verdict.ts";

/** Longest answer that is read, and longest body of a response. */
export const MAX_ANSWER_BYTES = 131_072;
const MAX_BODY_BYTES = 65_536;
/** Answers that are remembered, and how long one may be for that. */
const REMEMBERED = 4;
const REMEMBERED_BYTES = 1024;

const SILENCE = fault("output", "it said nothing");
const PLAIN_CONTINUE = Buffer.from('{"action":"continue"}');

/** An answer that was read before. */
interface Known {
  readonly bytes: Uint8Array;
  readonly verdict: Verdict;
}

/**
 * Reads what a policy answered. A policy says the same thing most of the time,
 * so the last few answers are kept with their verdicts: the same bytes cost a
 * comparison, and allocate nothing.
 */
export class AnswerReader {
  /** The latest in front. */
  readonly #known: Known[] = [{ bytes: PLAIN_CONTINUE, verdict: CONTINUE }];

  read(memory: Buffer, start: number, length: number): Verdict {
    if (length === 0) return SILENCE;
    if (length > MAX_ANSWER_BYTES) return fault("output", `${length} bytes are too long for an answer`);
    const known = this.#known;
    for (let i = 0; i < known.length; i++) {
      const entry = known[i]!;
      if (!equal(entry.bytes, memory, start, length)) continue;
      if (i > 0) this.#promote(i);
      return entry.verdict;
    }
    const verdict = parseAnswer(memory.utf8Slice(start, start + length));
    if (length <= REMEMBERED_BYTES && verdict.kind !== VerdictKind.Fault)
      this.#remember(memory, start, length, verdict);
    return verdict;
  }

  #promote(i: number): void {
    const entry = this.#known[i]!;
    for (let k = i; k > 0; k--) this.#known[k] = this.#known[k - 1]!;
    this.#known[0] = entry;
  }

  #remember(memory: Buffer, start: number, length: number, verdict: Verdict): void {
    if (this.#known.length === REMEMBERED) this.#known.pop();
    this.#known.unshift({ bytes: Uint8Array.prototype.slice.call(memory, start, start + length), verdict });
  }
}

function equal(bytes: Uint8Array, memory: Buffer, start: number, length: number): boolean {
  if (bytes.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[i] !== memory[start + i]) return false;
  return true;
}

type Json = Readonly<Record<string, unknown>>;

/** Thrown and caught in this file: what an answer should not be. */
class Nonsense extends Error {}

/** The verdict an answer means; a verdict of kind `Fault` where it means none. */
export function parseAnswer(text: string): Verdict {
  try {
    const answer: unknown = JSON.parse(text);
    if (!isObject(answer)) throw new Nonsense("it is not an object");
    switch (answer["action"]) {
      case "continue":
        return new Verdict(VerdictKind.Continue, { changes: changes(answer, "setHeaders", true) });
      case "respond":
        return response(answer);
      case "route":
        return route(answer);
      default:
        throw new Nonsense('"action" is not "continue", "respond" or "route"');
    }
  } catch (error) {
    return fault("output", error instanceof Nonsense ? error.message : "it is not JSON");
  }
}

function response(answer: Json): Verdict {
  const status = integer(answer, "status", 200, 599);
  const body = Buffer.from(optionalText(answer, "body"), "utf8");
  if (body.length > MAX_BODY_BYTES) throw new Nonsense(`"body" has more than ${MAX_BODY_BYTES} bytes`);
  if (body.length > 0 && (status === 204 || status === 304)) throw new Nonsense(`a response ${status} has no body`);
  const retryAfterMs = answer["retryAfterMs"] == null ? 0 : integer(answer, "retryAfterMs", 0, 2 ** 31);
  const headers = withDefaults(changes(answer, "headers", false) ?? NO_CHANGES, body, retryAfterMs);
  return new Verdict(VerdictKind.Respond, { status, body, retryAfterMs, headers });
}

function route(answer: Json): Verdict {
  const destination = optionalText(answer, "destination");
  if (destination === "") throw new Nonsense('"destination" is missing');
  return new Verdict(VerdictKind.Route, { destination, changes: changes(answer, "setHeaders", true) });
}

/** Headers that follow from the rest of a response, where the policy does not give them itself. */
function withDefaults(given: HeaderChanges, body: Buffer, retryAfterMs: number): HeaderChanges {
  const more: HeaderChange[] = [];
  if (retryAfterMs > 0) more.push({ name: "retry-after", value: String(Math.ceil(retryAfterMs / 1000)) });
  if (body.length > 0) more.push({ name: "content-type", value: "text/plain; charset=utf-8" });
  return more.every(({ name }) => given.has(name)) ? given : new HeaderChanges(more).followedBy(given);
}

/** The headers under a key; null as a value takes a header away, where that makes sense. */
function changes(answer: Json, key: string, removals: boolean): HeaderChanges | null {
  const object = answer[key];
  if (object == null) return null;
  if (!isObject(object)) throw new Nonsense(`"${key}" is not an object`);
  const names = Object.keys(object);
  if (names.length > MAX_CHANGES) throw new Nonsense(`"${key}" has more than ${MAX_CHANGES} headers`);
  const list = new HeaderChanges(names.map((name) => change(name, object[name], removals)));
  if (list.lines.length > MAX_CHANGE_BYTES) throw new Nonsense(`"${key}" has more than ${MAX_CHANGE_BYTES} bytes`);
  return names.length === 0 ? null : list;
}

function change(name: string, value: unknown, removals: boolean): HeaderChange {
  if (typeof value !== "string" && !(value === null && removals))
    throw new Nonsense(`the value of header "${name.slice(0, 64)}" is not text`);
  const problem = problemOfChange(name, value);
  if (problem !== null) throw new Nonsense(problem);
  return { name: name.toLowerCase(), value };
}

function integer(answer: Json, key: string, min: number, max: number): number {
  const value = answer[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max)
    throw new Nonsense(`"${key}" is not a whole number from ${min} to ${max}`);
  return value;
}

function optionalText(answer: Json, key: string): string {
  const value = answer[key] ?? "";
  if (typeof value !== "string") throw new Nonsense(`"${key}" is not text`);
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
