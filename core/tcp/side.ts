import type { Wire, WireOwner } from "../listener/mod.ts";
import type { Relay } from "./relay.ts";

/**
 * One connection of a relay: reads for the other side, and writes what the
 * other side has read. What the kernel does not take waits here, and the other
 * side is not read meanwhile.
 */
export class Side implements WireOwner {
  readonly #wire: Wire;
  readonly #relay: Relay;
  #other: Side | null = null;
  /** Bytes from this connection, and bytes its kernel has taken. */
  read = 0;
  written = 0;
  isGone = false;
  /** Bytes at the beginning that are for the relay only. */
  awaited = 0;
  /** What this connection is still to be given. */
  #queue: Buffer[] = [];
  /** Read before there was another side. */
  #early: Buffer[] = [];
  #isPaused = false;
  /** It sends no more. */
  #hasEnded = false;
  /** It is to be sent no more: FIN behind what is queued. */
  #isFinishing = false;
  #isShut = false;

  constructor(wire: Wire, relay: Relay) {
    this.#wire = wire;
    this.#relay = relay;
  }

  /** Joins two sides; what the other has read already comes first. */
  link(other: Side): void {
    this.#other = other;
    other.#other = this;
    const early = other.#early;
    other.#early = [];
    for (const bytes of early) this.push(bytes);
    if (other.#hasEnded) this.#finish();
    if (this.#queue.length === 0 && this.awaited === 0) other.readOn();
  }

  /** Back to waiting for another side, which is to be given `kept` first. */
  unlink(kept: Buffer[]): void {
    this.#other = null;
    this.#early = kept;
    if (kept.length > 0) this.#pause();
  }

  // ---- the socket's events ----

  received(bytes: Buffer): void {
    if (this.#hasEnded || this.isGone) return;
    const relay = this.#relay;
    relay.moved();
    const own = this.awaited > 0 ? this.#skip(bytes) : bytes;
    if (own.length === 0) return;
    this.read += own.length;
    const other = this.#other;
    if (other !== null) other.push(own);
    else {
      this.#early.push(own);
      this.#pause();
    }
  }

  #skip(bytes: Buffer): Buffer {
    const skipped = Math.min(this.awaited, bytes.length);
    this.awaited -= skipped;
    if (this.awaited === 0) this.#relay.reached();
    return bytes.subarray(skipped);
  }

  writable(): void {
    const queue = this.#queue;
    while (queue.length > 0) {
      const bytes = queue[0]!;
      const taken = this.#wire.write(bytes, 0, bytes.length);
      if (taken < 0) return;
      this.written += taken;
      if (taken > 0) this.#relay.moved();
      if (taken < bytes.length) {
        queue[0] = bytes.subarray(taken);
        return;
      }
      queue.shift();
    }
    if (this.#isFinishing) this.#shut();
    // While it is not sure to be reached, no more is sent than can be sent again.
    else if (this.#other !== null && this.awaited === 0) this.#other.readOn();
  }

  peerEnded(): void {
    if (this.#hasEnded || this.#relay.lost(this)) return;
    this.#hasEnded = true;
    if (this.#other !== null) this.#other.#finish();
    this.#close();
  }

  closed(isBroken: boolean): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#queue = [];
    // Bun tells a FIN that comes behind our own only so.
    if (!isBroken) this.peerEnded();
    else this.#relay.broke(this);
    this.#relay.gone();
  }

  // ---- what the relay and the other side want of it ----

  push(bytes: Buffer): void {
    if (this.isGone) {
      this.#relay.broke(this);
      return;
    }
    const isKept = this.#relay.keep(this, bytes);
    if (this.#queue.length > 0) {
      this.#queue.push(bytes);
      return;
    }
    const taken = Math.max(0, this.#wire.write(bytes, 0, bytes.length));
    this.written += taken;
    if (taken < bytes.length) this.#queue.push(taken === 0 ? bytes : bytes.subarray(taken));
    if ((isKept || taken < bytes.length) && this.#other !== null) this.#other.#pause();
  }

  readOn(): void {
    if (!this.#isPaused || this.#other === null || this.#other.#queue.length > 0) return;
    this.#isPaused = false;
    if (!this.isGone) this.#wire.resume();
  }

  #pause(): void {
    if (this.#isPaused || this.isGone) return;
    this.#isPaused = true;
    this.#wire.pause();
  }

  /** The other side has ended: so does this one, behind what is queued. */
  #finish(): void {
    this.#isFinishing = true;
    if (this.#queue.length === 0) this.#shut();
  }

  #shut(): void {
    if (this.#isShut || this.isGone) return;
    this.#isShut = true;
    this.#wire.shutdown();
    this.#close();
  }

  /** Both directions are over. */
  #close(): void {
    if (this.#hasEnded && this.#isShut && !this.isGone) this.#wire.end();
  }

  reset(): void {
    if (this.isGone) return;
    this.forsake();
    this.#relay.broke(this);
    this.#relay.gone();
  }

  /** Says a last thing and ends; what the peer still sends is not read. */
  sayLast(bytes: Buffer): void {
    this.#early = [];
    this.push(bytes);
    this.#hasEnded = true;
    this.#finish();
  }

  /** The relay goes on without it. */
  forsake(): void {
    const wasGone = this.isGone;
    this.isGone = true;
    this.#queue = [];
    if (!wasGone) this.#wire.terminate();
  }
}
