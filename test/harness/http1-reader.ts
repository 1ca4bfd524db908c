import { BodyReader } from "../../core/http/body.ts";
import { type Fields, Method, RequestHead, ResponseHead } from "../../core/http/head.ts";
import {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  INCOMPLETE,
  parseRequestHead,
  parseResponseHead,
} from "../../core/http/parse.ts";

/** A message as it was read: everything the head says, as plain values. */
export interface Message {
  readonly head: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly trailers: readonly string[];
}

/** What a connection's bytes were, read to the end or to where reading must stop. */
export interface Reading {
  readonly messages: readonly Message[];
  /** Body bytes of a message that is not whole. */
  readonly partial: string;
  /**
   * `whole`: nothing is left over; `incomplete`: a message has begun; `refused`: see `problem`;
   * `closed`: the last message ends the connection; `tunnel`: what follows is not HTTP.
   */
  readonly end: "whole" | "incomplete" | "refused" | "closed" | "tunnel";
  readonly problem: string;
  /** The parser's answer where it refused a head. */
  readonly code: number;
}

export interface ReaderOptions {
  readonly limits?: HeadLimits;
  /** What the responses answer. */
  readonly method?: Method;
}

/** Stands before and behind every piece in its buffer: whoever reads beyond the piece reads this. */
const POISON = "\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n";

/** Reads a connection's bytes as a proxy does, cut at the given offsets. */
export function readMessages(
  kind: "request" | "response",
  input: Buffer,
  cuts: readonly number[] = [],
  options: ReaderOptions = {},
): Reading {
  const reader = new Reader(kind, options);
  let from = 0;
  for (const to of [...cuts, input.length]) {
    if (to <= from) continue;
    reader.feed(input.subarray(from, to));
    from = to;
  }
  return reader.reading();
}

class Reader {
  readonly #kind: "request" | "response";
  readonly #limits: HeadLimits;
  readonly #method: Method;
  readonly #request = new RequestHead();
  readonly #response = new ResponseHead();
  readonly #body = new BodyReader();
  readonly #messages: Message[] = [];
  #held = "";
  #inBody = false;
  #text = "";
  #head: Readonly<Record<string, unknown>> = {};
  #end: "closed" | "refused" | "tunnel" | "" = "";
  #problem = "";
  #code = 0;

  constructor(kind: "request" | "response", { limits = DEFAULT_HEAD_LIMITS, method = Method.Get }: ReaderOptions) {
    this.#kind = kind;
    this.#limits = limits;
    this.#method = method;
  }

  feed(piece: Buffer): void {
    const text = this.#held + piece.latin1Slice();
    this.#held = "";
    const bytes = Buffer.from(POISON + text + POISON, "latin1");
    const end = POISON.length + text.length;
    let p = POISON.length;
    while (p < end && this.#end === "") {
      const after = this.#inBody ? this.#readBody(bytes, p, end) : this.#readHead(bytes, p, end);
      if (after < p || after > end) throw new Error(`Cannot read on: the parser went from ${p} to ${after} of ${end}`);
      p = after;
    }
  }

  reading(): Reading {
    const untilClose = this.#inBody && this.#body.endsWithConnection && this.#end === "";
    if (untilClose) this.#complete();
    const whole = this.#held === "" && !this.#inBody;
    return {
      messages: this.#messages,
      partial: this.#inBody ? this.#text : "",
      end: this.#end !== "" ? this.#end : whole ? "whole" : "incomplete",
      problem: this.#problem,
      code: this.#code,
    };
  }

  #readHead(bytes: Buffer, p: number, end: number): number {
    const after =
      this.#kind === "request"
        ? parseRequestHead(this.#request, bytes, p, end, this.#limits)
        : parseResponseHead(this.#response, bytes, p, end, this.#limits, this.#method);
    if (after === INCOMPLETE) {
      this.#held = bytes.latin1Slice(p, end);
      return end;
    }
    const head = this.#kind === "request" ? this.#request : this.#response;
    if (after < 0) {
      this.#refuse(head.problem, after);
      return end;
    }
    this.#head = this.#kind === "request" ? describeRequest(this.#request) : describeResponse(this.#response);
    this.#text = "";
    this.#body.begin(head.contentLength);
    this.#inBody = true;
    if (this.#body.done) this.#complete();
    return after;
  }

  #readBody(bytes: Buffer, p: number, end: number): number {
    const body = this.#body;
    const after = body.next(bytes, p, end, this.#limits);
    if (body.pieceStart < p || body.pieceEnd > end)
      throw new Error("Cannot read on: a piece lies outside of the bytes");
    this.#text += bytes.latin1Slice(body.pieceStart, body.pieceEnd);
    if (body.problem !== "") {
      this.#refuse(body.problem, 0);
      return end;
    }
    if (body.done) this.#complete();
    return after;
  }

  #complete(): void {
    const { trailers } = this.#body;
    this.#messages.push({ head: this.#head, body: this.#text, trailers: trailers === null ? [] : lines(trailers) });
    this.#inBody = false;
    const { upgrade, method } = this.#request;
    const { status } = this.#response;
    if (this.#kind === "request" && (upgrade || method === Method.Connect)) this.#end = "tunnel";
    else if (this.#kind === "response" && (status === 101 || (this.#method === Method.Connect && status < 300)))
      this.#end = "tunnel";
    else if (!(this.#kind === "request" ? this.#request : this.#response).keepAlive) this.#end = "closed";
  }

  #refuse(problem: string, code: number): void {
    this.#end = "refused";
    this.#held = "";
    this.#problem = problem;
    this.#code = code;
  }
}

function lines(fields: Fields): string[] {
  return Array.from({ length: fields.count }, (_, i) => `${fields.nameText(i)}: ${fields.valueText(i)}`);
}

function describeFields(head: Fields): object {
  return {
    fields: lines(head),
    ids: [...head.ids.subarray(0, head.count)],
    hop: [...head.hop.subarray(0, head.count)],
  };
}

function describeRequest(head: RequestHead): Readonly<Record<string, unknown>> {
  return {
    method: head.methodText(),
    path: head.pathText(),
    query: head.hasQuery ? head.queryText() : null,
    authority: head.authorityText(),
    host: head.text(head.authorityStart, head.hostEnd),
    port: head.port,
    absolute: head.absolute,
    minor: head.minor,
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    upgrade: head.upgrade,
    expectContinue: head.expectContinue,
    ...describeFields(head),
  };
}

function describeResponse(head: ResponseHead): Readonly<Record<string, unknown>> {
  return {
    status: head.status,
    reason: head.text(head.reasonStart, head.reasonEnd),
    minor: head.minor,
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    ...describeFields(head),
  };
}

/** Ways to cut `length` bytes: not at all, at every byte, and `random` times anywhere. */
export function cuttings(length: number, random: () => number, times = 12): number[][] {
  const everywhere = Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
  const cuts = Array.from({ length: times }, () => everywhere.filter(() => random() < 4 / Math.max(8, length)));
  return [[], everywhere, ...cuts];
}

/** Randomness that a failing run can be repeated with. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
