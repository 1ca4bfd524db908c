import { Deadline, type Deadlines } from "../base/mod.ts";
import type { Wire } from "../listener/mod.ts";
import { Side } from "./side.ts";

/** Who is told what becomes of a relay. */
export interface RelayOwner {
  /** What is sent from here on arrives. Called once. */
  reached(relay: Relay): void;
  /** The upstream was lost before it was reached: give the relay another, or `refuse` it. */
  unreached(relay: Relay, problem: string): void;
  /** Both connections are over; nothing follows. Called once. */
  over(relay: Relay): void;
}

export interface RelaySettings {
  readonly deadlines: Deadlines;
  /** Without a byte either way for so long, both connections are reset. */
  readonly idleTimeoutMs: number;
  /** An upstream that says when it is reached has so long for it. */
  readonly reachTimeoutMs: number;
}

/** How a relay ended, as the first event that ended it says. */
export const Ending = { None: 0, Whole: 1, DownstreamBroke: 2, UpstreamBroke: 3, Idle: 4, Refused: 5 } as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

/**
 * What a proxy of the mesh says first on a connection of bytes, once its app
 * has taken the connection: until then nothing that was sent has reached
 * anybody, and may go to another endpoint.
 */
export const REACHED = Buffer.of(1);

/**
 * Copies bytes between two connections, both ways, without reading them. An
 * end of one side (FIN) is passed on behind its bytes while the other side goes
 * on; a reset stays one. Where one side is slow the other is not read: of each
 * direction no more is held than one event of the socket brings.
 *
 * The upstream may come later, and come again as long as nothing was reached.
 */
export class Relay extends Deadline {
  readonly downstream: Side;
  upstream: Side | null = null;
  ending: Ending = Ending.None;
  #idleTimeoutMs: number;
  /** Last time a byte moved, as near as the deadlines know it; monotonic. */
  movedAt: number;
  readonly #owner: RelayOwner;
  readonly #settings: RelaySettings;
  /** What was sent to an upstream that may not be reached; null once it is, and where it need not be kept. */
  #kept: Buffer[] | null = null;
  #isOver = false;

  constructor(wire: Wire, owner: RelayOwner, settings: RelaySettings) {
    super();
    this.#owner = owner;
    this.#settings = settings;
    this.downstream = new Side(wire, this);
    this.#idleTimeoutMs = settings.idleTimeoutMs;
    this.movedAt = settings.deadlines.now;
    settings.deadlines.set(this, this.#idleTimeoutMs, this.movedAt);
  }

  /** Bytes from the downstream, and bytes it was given. */
  get received(): number {
    return this.downstream.read;
  }
  get sent(): number {
    return this.downstream.written;
  }

  /** The downstream is still there: an upstream is worth its while. */
  get isWanted(): boolean {
    return !this.#isOver && !this.downstream.isGone;
  }

  /** Another idle deadline, from the last byte on. */
  limitIdle(ms: number): void {
    this.#idleTimeoutMs = ms;
    this.#settings.deadlines.set(this, ms);
  }

  /** Connects the upstream. `acknowledged`: it says `REACHED` in front of its bytes. */
  join(wire: Wire, acknowledged: boolean): Side {
    const upstream = new Side(wire, this);
    this.upstream = upstream;
    this.#kept = acknowledged ? [] : null;
    upstream.awaited = acknowledged ? REACHED.length : 0;
    const { deadlines, reachTimeoutMs } = this.#settings;
    deadlines.set(this, acknowledged ? reachTimeoutMs : this.#idleTimeoutMs);
    upstream.link(this.downstream);
    if (!acknowledged) this.#owner.reached(this);
    return upstream;
  }

  /** Bytes of our own for the downstream, in front of all others; they are not counted. */
  greet(bytes: Buffer): void {
    this.downstream.written -= bytes.length;
    this.downstream.push(bytes);
  }

  /** There is no upstream: `answer` is said, then the connection ends; with nothing to say it is reset. */
  refuse(answer: Buffer | null): void {
    this.#end(Ending.Refused);
    if (answer === null) this.downstream.reset();
    else this.downstream.sayLast(answer);
  }

  /** Ends both connections by a reset. */
  abort(ending: Ending): void {
    this.#end(ending);
    this.upstream?.reset();
    this.downstream.reset();
  }

  override expire(): void {
    const { deadlines } = this.#settings;
    const { now } = deadlines;
    if (this.upstream !== null && this.#loseUnreached(this.upstream, "it does not say in time that its app is there"))
      return;
    const left = this.movedAt + this.#idleTimeoutMs - now;
    if (left <= 0) this.abort(Ending.Idle);
    else deadlines.set(this, left, now);
  }

  // ---- what the sides tell ----

  moved(): void {
    this.movedAt = this.#settings.deadlines.recent;
  }

  /** True where a piece for the upstream was kept: its source waits until the upstream is reached. */
  keep(side: Side, bytes: Buffer): boolean {
    if (side === this.downstream || this.#kept === null) return false;
    this.#kept.push(bytes);
    return true;
  }

  /** The upstream has said that what it is sent arrives. */
  reached(): void {
    this.#kept = null;
    this.#settings.deadlines.set(this, this.#idleTimeoutMs);
    this.#owner.reached(this);
    this.downstream.readOn();
  }

  /** A side ended by a reset or an error, or took no more than it had. */
  broke(side: Side): void {
    if (side !== this.downstream && this.#loseUnreached(side, "it was reset")) return;
    this.#end(side === this.downstream ? Ending.DownstreamBroke : Ending.UpstreamBroke);
    (side === this.downstream ? this.upstream : this.downstream)?.reset();
  }

  /** A side ended in peace; true where that counts as an upstream that was not reached. */
  lost(side: Side): boolean {
    return side !== this.downstream && this.#loseUnreached(side, "it ended the connection");
  }

  #loseUnreached(side: Side, problem: string): boolean {
    const kept = this.#kept;
    if (kept === null || side !== this.upstream || !this.isWanted) return false;
    this.upstream = null;
    this.#kept = null;
    this.#settings.deadlines.set(this, this.#idleTimeoutMs);
    side.forsake();
    this.downstream.unlink(kept);
    this.#owner.unreached(this, problem);
    return true;
  }

  /** A connection is closed. */
  gone(): void {
    if (this.#isOver || !this.downstream.isGone || this.upstream?.isGone === false) return;
    this.#isOver = true;
    this.#end(Ending.Whole);
    this.#settings.deadlines.clear(this);
    this.#owner.over(this);
  }

  #end(ending: Ending): void {
    this.#kept = null;
    if (this.ending === Ending.None) this.ending = ending;
  }
}
