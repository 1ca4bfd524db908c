import { Deadline, type Deadlines } from "../base/mod.ts";
import { type Agreed, handOver, upgrade, type Wire, type WireOwner } from "../listener/mod.ts";
import { type ClientHello, readClientHello } from "../tcp/mod.ts";

/** The record of an alert that ends the connection. */
const ALERT = 0x15;
const FATAL = 2;

/** What becomes of a connection once its ClientHello is known. */
export type Welcome =
  /** `alert` is what TLS calls the reason (RFC 8446, section 6.2). */
  | { readonly refused: string; readonly alert?: number }
  /** The bytes go on as they came. */
  | { readonly passedTo: (first: Buffer) => WireOwner }
  | {
      readonly tls: object;
      readonly verifies: boolean;
      readonly opened: (wire: Wire, agreed: Agreed) => WireOwner;
    };

export interface GreetingOptions {
  readonly deadlines: Deadlines;
  /** From the connection's first moment to the end of its handshake. */
  readonly timeoutMs: number;
  readonly welcome: (hello: ClientHello) => Welcome;
  readonly refused: (reason: string) => void;
  readonly flush: () => void;
  readonly bug: (error: unknown) => void;
}

/**
 * A connection that is none yet: its ClientHello says which listener is meant,
 * and only then it is known whether we speak TLS with it, and as whom.
 */
export class Greeting extends Deadline implements WireOwner {
  readonly #raw: Wire;
  readonly #options: GreetingOptions;
  #bytes: Buffer | null = null;
  /** The TLS half, which alone can end the connection. */
  #secured: Wire | null = null;
  #isOver = false;

  constructor(raw: Wire, options: GreetingOptions) {
    super();
    this.#raw = raw;
    this.#options = options;
    options.deadlines.set(this, options.timeoutMs);
  }

  received(bytes: Buffer): void {
    // Behind an upgrade it is ciphertext, which the TLS half reads.
    if (this.#secured !== null || this.#isOver) return;
    this.#bytes = this.#bytes === null ? bytes : Buffer.concat([this.#bytes, bytes]);
    const hello = readClientHello(this.#bytes);
    if (hello === null) return;
    if ("problem" in hello) this.#refuse(`no ClientHello: ${hello.problem}`);
    else this.#welcome(this.#options.welcome(hello), this.#bytes);
    this.#bytes = null;
  }

  #welcome(welcome: Welcome, first: Buffer): void {
    if ("refused" in welcome) this.#refuse(welcome.refused, welcome.alert);
    else if ("passedTo" in welcome) this.#pass(welcome.passedTo(first));
    else this.#upgrade(welcome, first);
  }

  #pass(next: WireOwner): void {
    this.#end();
    handOver(this.#raw, next);
  }

  #upgrade({ tls, verifies, opened }: Extract<Welcome, { tls: object }>, first: Buffer): void {
    const { flush, bug } = this.#options;
    this.#secured = upgrade(this.#raw, {
      ...{ first, tls, verifies, flush, bug },
      opened: (wire, agreed) => {
        this.#end();
        return opened(wire, agreed);
      },
      refused: (reason) => this.#refuse(reason),
    });
  }

  writable(): void {}

  peerEnded(): void {
    if (this.#secured !== null || this.#isOver) return;
    // A probe that only looks whether the port is open is refused nothing.
    this.#end();
    this.#raw.end();
  }

  closed(): void {
    this.#end();
  }

  override expire(): void {
    this.#refuse("handshake deadline");
  }

  #end(): void {
    this.#isOver = true;
    this.#options.deadlines.clear(this);
  }

  /** Once: ending a handshake reports it as failed. */
  #refuse(reason: string, alert?: number): void {
    if (this.#isOver) return;
    this.#end();
    this.#options.refused(reason);
    if (alert === undefined) (this.#secured ?? this.#raw).terminate();
    else {
      // The first bytes that this socket is given: the kernel takes them.
      this.#raw.write(Buffer.of(ALERT, 3, 3, 0, 2, FATAL, alert));
      this.#raw.end();
    }
  }
}
