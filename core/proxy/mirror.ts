import type { ServerStream } from "../http/mod.ts";
import type { ConnectionFacts } from "../listener/mod.ts";
import type { Mirror } from "../route/mod.ts";
import { AnswerDigest, compareAnswers } from "./answer-digest.ts";
import type { MeshExchange } from "./exchange.ts";
import type { Mesh } from "./mesh.ts";

/** A body up to this size is copied; a request with a larger one is not mirrored. */
const MIRROR_BYTES = 64 * 1024;
/** Copies under way at once, per worker: a mirror that is slow costs no more than this. */
const MOST_COPIES = 1_000;

type MirrorOutcome = "answered" | "failed" | "too_large" | "busy" | "cut";

/** What copies are made and served with. */
export interface MirrorFlow {
  /** An exchange for a copy of a request, whose answers go to `stream`. */
  copyFor(exchange: MeshExchange, stream: ServerStream): MeshExchange;
  serveCopy(copy: MeshExchange): void;
  ended(copy: MeshExchange): void;
}

/** The copies of requests that other clusters see; nothing of them comes back to the first. */
export class Mirrors {
  readonly #flow: MirrorFlow;
  readonly #mesh: Mesh;
  #underWay = 0;

  constructor(flow: MirrorFlow, mesh: Mesh) {
    this.#flow = flow;
    this.#mesh = mesh;
  }

  /** Copies a request that is on its way, as it went on, for those mirrors whose share it falls into. */
  begin(exchange: MeshExchange): void {
    const { request, backend } = exchange;
    if (request.upgrade) return;
    const copies: MeshExchange[] = [];
    for (const mirror of backend!.mirrors) {
      if (this.#mesh.random() >= mirror.fraction) continue;
      const copy = this.#copy(exchange, mirror);
      if (copy !== null) copies.push(copy);
    }
    if (copies.length === 0) return;
    const body = new MirroredBody(copies, this.#flow);
    if (request.contentLength === 0) body.finish();
    else exchange.company().mirrored = body;
  }

  #copy(exchange: MeshExchange, mirror: Mirror): MeshExchange | null {
    if (exchange.request.contentLength > MIRROR_BYTES) return this.#left(mirror, "too_large");
    if (this.#underWay >= MOST_COPIES) return this.#left(mirror, "busy");
    this.#underWay++;
    const digest = mirror.compare ? this.#compared(exchange, mirror) : null;
    const stream = new MirrorStream(exchange.downstream!.connection, digest, (copy, outcome) => {
      this.#underWay--;
      this.#left(mirror, outcome);
      this.#flow.ended(copy);
    });
    const copy = this.#flow.copyFor(exchange, stream);
    stream.exchange = copy;
    copy.cluster = mirror.cluster;
    return copy;
  }

  #left(mirror: Mirror, outcome: MirrorOutcome): null {
    this.#mesh.metrics.mirrored.with(mirror.cluster.name, outcome).add();
    return null;
  }

  /** The digest of the copy's answer, which is compared with that of the first. */
  #compared(exchange: MeshExchange, { cluster, name }: Mirror): AnswerDigest {
    const { metrics, log } = this.#mesh;
    const { request, entry } = exchange;
    const facts = { route: entry!.rule.id, mirror: name, method: request.methodText(), path: request.pathText() };
    const digest = new AnswerDigest();
    const company = exchange.company();
    company.digest ??= new AnswerDigest();
    compareAnswers(company.digest, digest, (difference, status, mirrorStatus) => {
      metrics.mirrorDifferences.with(cluster.name, difference).add();
      if (difference !== "none")
        log.info("a mirror has answered differently", { ...facts, difference, status, mirrorStatus });
    });
    return digest;
  }
}

/** The body that all copies of a request are sent, when it is whole: a slow mirror never holds up the first. */
export class MirroredBody {
  readonly #copies: readonly MeshExchange[];
  readonly #flow: MirrorFlow;
  readonly #pieces: Buffer[] = [];
  #size = 0;
  #isOver = false;

  constructor(copies: readonly MeshExchange[], flow: MirrorFlow) {
    this.#copies = copies;
    this.#flow = flow;
  }

  piece(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    this.#size += end - start;
    if (this.#size > MIRROR_BYTES) this.#leave("too_large");
    else this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const copy of this.#copies) {
      copy.replay = copy.request.contentLength === 0 ? null : this.#pieces;
      copy.requestBytes = copy.replayBytes = this.#size;
      this.#flow.serveCopy(copy);
    }
  }

  /** The first is over before its body was whole. */
  abandon(): void {
    if (!this.#isOver) this.#leave("cut");
  }

  #leave(outcome: MirrorOutcome): void {
    this.#isOver = true;
    this.#pieces.length = 0;
    for (const copy of this.#copies) (copy.downstream as MirrorStream).leave(outcome);
  }
}

/** Where the answer to a copy goes: nowhere, but for what is compared. */
class MirrorStream implements ServerStream {
  readonly connection: ConnectionFacts;
  readonly requestComplete = true;
  readonly blocked = false;
  responseStarted = false;
  bytesSent = 0;
  exchange: MeshExchange | null = null;
  readonly #digest: AnswerDigest | null;
  readonly #over: (copy: MeshExchange, outcome: MirrorOutcome) => void;

  constructor(
    connection: ConnectionFacts,
    digest: AnswerDigest | null,
    over: (copy: MeshExchange, outcome: MirrorOutcome) => void,
  ) {
    this.connection = connection;
    this.#digest = digest;
    this.#over = over;
  }

  respond(): void {
    this.responseStarted = true;
  }
  data(bytes: Buffer, start: number, end: number): void {
    this.bytesSent += end - start;
    this.#digest?.add(bytes, start, end);
  }
  finish(): void {
    const { exchange } = this;
    if (exchange !== null) this.#digest?.finish(exchange.status, exchange.grpcStatus);
    this.leave("answered");
  }
  /** What the mesh itself says: the mirror has not answered. */
  answer(): void {
    this.leave("failed");
  }
  abort(): void {
    this.leave("failed");
  }
  leave(outcome: MirrorOutcome): void {
    const { exchange } = this;
    this.exchange = null;
    if (exchange !== null) this.#over(exchange, outcome);
  }
  readBody(): void {}
  pauseBody(): void {}
  inform(): void {}
  tunnel(): void {}
}
