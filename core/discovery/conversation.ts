import { type Clock, MeshError, type Timer } from "../base/mod.ts";
import { type DialOptions, dial } from "./dial.ts";
import { type Link, LinkLost, readJson } from "./link.ts";
import { Frame, type Hello, type LinkTiming, PROTOCOLS, type Welcome } from "./protocol.ts";

/** The control plane did not answer in time, or answered something else. */
export class NoAnswer extends MeshError {
  override readonly name = "NoAnswer";
  readonly code = "MESH_NO_ANSWER";
  readonly source = "mesh";
  override readonly retryable = true;
}

export interface ConversationOptions extends Omit<DialOptions, "reader"> {
  /** Version of this build. */
  readonly software: string;
  /** Deadline of an answer. */
  readonly answerMs: number;
  /** Frames that nobody asked for. */
  readonly unasked?: (type: number, payload: Buffer) => void;
  /** The end, once, of a conversation that was open. */
  readonly closed?: (reason: Error) => void;
}

interface Expected {
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/**
 * The proxy's end of a link: it asks, the control plane answers, and every
 * answer has a deadline. Two questions that have the same kind of answer wait
 * for each other.
 */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #clock: Clock;
  readonly #expected = new Map<Frame, Expected>();
  readonly #turns = new Map<Frame, Promise<unknown>>();
  #link: Link | null = null;
  #ended: Error | null = null;
  #open = false;

  private constructor(options: ConversationOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /**
   * Dials, greets, and watches the link from then on.
   *
   * @throws {ControlUnreachable | PeerFailure | LinkLost | NoAnswer}
   */
  static async open(options: ConversationOptions): Promise<Conversation> {
    const conversation = new Conversation(options);
    const reader = {
      frame: (type: number, payload: Buffer) => conversation.#frame(type as Frame, payload),
      closed: (reason: Error) => conversation.#closed(reason),
    };
    conversation.#link = await dial({ ...options, reader });
    await conversation.#greet();
    return conversation;
  }

  send(type: Frame, message: object): void {
    this.#link!.send(type, message);
  }

  /** @throws {PeerFailure | LinkLost | NoAnswer} */
  async ask(type: Frame, message: object, answer: Frame, deadlineMs = this.#options.answerMs): Promise<Buffer> {
    const before = this.#turns.get(answer);
    const turn =
      before === undefined
        ? this.#ask(type, message, answer, deadlineMs)
        : before.then(() => this.#ask(type, message, answer, deadlineMs));
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(answer, settled);
    return await turn;
  }

  close(reason: Error = new LinkLost("Cannot go on with the stream: it was closed here")): void {
    this.#link?.close(reason);
  }

  async #greet(): Promise<void> {
    const hello: Hello = { protocols: PROTOCOLS, software: this.#options.software };
    const welcome = readJson<Welcome>(await this.ask(Frame.Hello, hello, Frame.Welcome));
    this.#link!.watch(checkedTiming(welcome.timing));
    this.#open = true;
  }

  #ask(type: Frame, message: object, answer: Frame, deadlineMs: number): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const late = new NoAnswer(`Cannot go on: the control plane did not answer within ${deadlineMs} ms`);
    const timer = this.#clock.after(deadlineMs, () => this.close(late));
    this.#expected.set(answer, { resolve, reject, timer });
    this.#link!.send(type, message);
    return promise;
  }

  #frame(type: Frame, payload: Buffer): void {
    const expected = this.#expected.get(type);
    if (expected === undefined) {
      this.#options.unasked?.(type, payload);
      return;
    }
    this.#expected.delete(type);
    expected.timer.cancel();
    expected.resolve(payload);
  }

  #closed(reason: Error): void {
    this.#ended = reason;
    for (const expected of this.#expected.values()) {
      expected.timer.cancel();
      expected.reject(reason);
    }
    this.#expected.clear();
    if (this.#open) this.#options.closed?.(reason);
  }
}

/** The control plane decides how closely links are watched, within reason. */
function checkedTiming(timing: LinkTiming | undefined): LinkTiming {
  const { pingMs, deadMs } = timing ?? {};
  if (typeof pingMs === "number" && typeof deadMs === "number" && pingMs >= 10 && deadMs > pingMs && deadMs <= 600_000)
    return { pingMs, deadMs };
  throw new NoAnswer("Cannot go on: the control plane sent a welcome without sound timing");
}
