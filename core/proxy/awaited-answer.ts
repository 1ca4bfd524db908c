import { handOver, type Wire, type WireOwner } from "../listener/mod.ts";

/** Holds a connection while discovery is asked what stands behind its listener. Nothing of it is read. */
export class AwaitedAnswer implements WireOwner {
  readonly #wire: Wire;
  #isOver = false;
  #hasEnded = false;

  /** @param decide who serves the connection from here on. Called once, also when `answer` fails, but not for one that is gone. */
  constructor(wire: Wire, answer: Promise<unknown>, decide: () => WireOwner) {
    this.#wire = wire;
    wire.pause();
    const go = (): void => {
      if (!this.#isOver) this.#passOn(decide());
    };
    answer.then(go, go);
  }

  #passOn(owner: WireOwner): void {
    this.#isOver = true;
    handOver(this.#wire, owner);
    if (this.#hasEnded) owner.peerEnded();
    this.#wire.resume();
  }

  received(_bytes: Buffer): void {}
  writable(): void {}

  peerEnded(): void {
    this.#hasEnded = true;
  }

  closed(_isBroken: boolean): void {
    this.#isOver = true;
  }
}
