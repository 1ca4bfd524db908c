import { type Clock, type Log, messageOf } from "../base/mod.ts";
import {
  BadFrame,
  type BundleMessage,
  type FailureCode,
  Frame,
  type Hello,
  type JoinMessage,
  type Link,
  type LinkReader,
  type LinkTiming,
  MAX_REQUEST_BYTES,
  PROTOCOLS,
  type RenewMessage,
  readJson,
  type Subscribe,
  type SvidMessage,
  type Welcome,
} from "../discovery/mod.ts";
import { readSubscribe } from "./claim.ts";
import type { ControlCounts } from "./metrics.ts";

/** Who a connection turned out to be. */
export interface Peer {
  /** SPIFFE ID that its certificate proved; null without one. */
  readonly identity: string | null;
  /** The certificate was valid until lately: good for another one, and nothing else. */
  readonly expired: boolean;
}

/** A refusal that the proxy is told in these words. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly failure: FailureCode;

  constructor(failure: FailureCode, message: string) {
    super(message);
    this.failure = failure;
  }
}

/** What a session asks of the control plane. */
export interface Reception {
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly software: string;
  readonly linkTiming: LinkTiming;
  bundle(): BundleMessage;
  /** @throws {Refused} when the token does not let its bearer in. */
  join(message: JoinMessage): Promise<SvidMessage>;
  /** Signs for an identity that its owner has just proved. @throws {Refused} */
  renew(identity: string, csr: string): Promise<Omit<SvidMessage, "id">>;
  /** Takes the link over. @throws {Refused} when the identity may not say this. */
  subscribe(link: Link, identity: string, software: string, subscribe: Subscribe): Promise<LinkReader>;
}

/** Frames that came before they could be read. */
interface Early {
  readonly frames: { readonly type: number; readonly payload: Buffer }[];
  bytes: number;
}

/** Frames that are held for a stream that is being opened, and their bytes. */
const MAX_EARLY = 1_000;
const MAX_EARLY_BYTES = MAX_REQUEST_BYTES;

/**
 * One connection of a proxy from its greeting on: it asks for the roots, joins,
 * or subscribes, as far as its certificate allows. A proxy that takes too long
 * to say what it wants is sent away.
 */
export class Session implements LinkReader {
  readonly #reception: Reception;
  readonly #peer: Peer;
  readonly #deadline;
  #link: Link | null = null;
  #software: string | null = null;
  /** Who reads the frames once there is a stream. */
  #stream: LinkReader | null = null;
  /** What came behind the subscription, until the stream is there; null before there is one. */
  #early: Early | null = null;
  #busy = false;
  #ended: Error | null = null;

  constructor(reception: Reception, peer: Peer, greetingMs: number) {
    this.#reception = reception;
    this.#peer = peer;
    this.#deadline = reception.clock.after(greetingMs, () =>
      this.#link?.fail("malformed", `Cannot wait longer than ${greetingMs} ms for the proxy to subscribe or join`),
    );
  }

  attach(link: Link): void {
    this.#link = link;
    if (this.#peer.identity !== null) link.allow(MAX_REQUEST_BYTES);
  }

  frame(type: number, payload: Buffer): void {
    if (this.#stream !== null) this.#stream.frame(type, payload);
    else if (this.#early !== null) hold(this.#early, type, payload);
    else if (type === Frame.Hello) this.#greet(readJson<Partial<Hello>>(payload));
    else if (this.#software === null) throw new Refused("protocol", "Cannot go on: the first frame must be a hello");
    else this.#answer(type, payload);
  }

  closed(reason: Error): void {
    this.#ended = reason;
    this.#deadline.cancel();
    this.#stream?.closed(reason);
  }

  #greet({ protocols, software }: Partial<Hello>): void {
    const spoken = Array.isArray(protocols) ? PROTOCOLS.find((version) => protocols.includes(version)) : undefined;
    if (spoken === undefined) {
      const message = `Cannot speak with the proxy: it knows protocols ${String(protocols)}, this control plane ${String(PROTOCOLS)}; upgrade the older one`;
      this.#refuse("protocol", message);
      return;
    }
    const { linkTiming: timing } = this.#reception;
    this.#software = typeof software === "string" ? software.slice(0, 64) : "";
    this.#link!.watch(timing);
    this.#link!.send(Frame.Welcome, { protocol: spoken, software: this.#reception.software, timing } satisfies Welcome);
  }

  #answer(type: number, payload: Buffer): void {
    if (this.#busy) throw new Refused("malformed", "Cannot take two requests at once before the stream is open");
    if (type === Frame.GetBundle) this.#link!.send(Frame.Bundle, this.#reception.bundle());
    else if (type === Frame.Join) this.#run(this.#join(readJson<JoinMessage>(payload)));
    else if (type === Frame.Renew) this.#run(this.#renew(readJson<RenewMessage>(payload)));
    else if (type === Frame.Subscribe) this.#run(this.#subscribe(readJson<Subscribe>(payload)));
    else throw new Refused("malformed", `Cannot read frame ${type} here`);
  }

  /** Runs what has to wait; its failure ends the link. */
  #run(work: Promise<void>): void {
    this.#busy = true;
    work
      .catch((error: unknown) => {
        if (error instanceof Refused) this.#refuse(error.failure, error.message);
        else if (error instanceof BadFrame) this.#refuse("malformed", error.message);
        else this.#break(error);
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  async #join(message: JoinMessage): Promise<void> {
    if (typeof message.tokenId !== "string" || typeof message.secret !== "string" || typeof message.csr !== "string")
      throw new Refused("malformed", "Cannot read the join request: a field is missing");
    const svid = await this.#reception.join(message);
    this.#link!.send(Frame.Svid, svid);
  }

  async #renew({ id, csr }: RenewMessage): Promise<void> {
    const { identity } = this.#peer;
    if (identity === null)
      throw new Refused("identity", "Cannot renew: the proxy has shown no certificate; it must join first");
    this.#link!.send(Frame.Svid, { id, ...(await this.#reception.renew(identity, String(csr))) } satisfies SvidMessage);
  }

  async #subscribe(message: Subscribe): Promise<void> {
    const { identity, expired } = this.#peer;
    if (identity === null)
      throw new Refused("identity", "Cannot subscribe: the proxy has shown no certificate; it must join first");
    if (expired) throw new Refused("identity", "Cannot subscribe: the proxy's certificate has expired; it must renew");
    // A proxy does not wait to be told that it is subscribed: what it bound, wants and counts comes at once.
    this.#early = { frames: [], bytes: 0 };
    const stream = await this.#reception.subscribe(this.#link!, identity, this.#software!, readSubscribe(message));
    this.#deadline.cancel();
    this.#stream = stream;
    if (this.#ended !== null) stream.closed(this.#ended);
    else for (const { type, payload } of this.#early.frames) stream.frame(type, payload);
  }

  #refuse(failure: FailureCode, message: string): void {
    this.#reception.counts.refusals++;
    this.#reception.log.warn(message, { peer: this.#peer.identity, failure });
    this.#link!.fail(failure, message);
  }

  /** Our own fault: the proxy is told to come back, and nothing of the inside. */
  #break(error: unknown): void {
    this.#reception.log.error(`Cannot serve a proxy: ${messageOf(error)}`, { peer: this.#peer.identity });
    this.#link!.fail("unavailable", "Cannot do this now: the control plane's log says why");
  }
}

/** @throws {Refused} for more than anybody has to say before it is heard. */
function hold(early: Early, type: number, payload: Buffer): void {
  early.bytes += payload.length;
  if (early.frames.length >= MAX_EARLY || early.bytes > MAX_EARLY_BYTES)
    throw new Refused("malformed", `Cannot take more before the stream is open: ${early.frames.length} frames wait`);
  early.frames.push({ type, payload: Buffer.from(payload) });
}
