import { type Clock, type Log, MeshError, messageOf } from "../base/mod.ts";
import type { Backoff } from "./backoff.ts";
import { type ControlAddress, formatAddress } from "./dial.ts";
import type { ControlStream } from "./stream.ts";

/** There is no stream to the control plane now. */
export class Offline extends MeshError {
  override readonly name = "Offline";
  readonly code = "MESH_OFFLINE";
  readonly source = "mesh";
  override readonly retryable = true;
}

export interface UplinkOptions {
  readonly addresses: readonly ControlAddress[];
  readonly clock: Clock;
  readonly log: Log;
  readonly backoff: Backoff;
  /** Opens a stream; `closed` is called once when it has ended. */
  readonly open: (address: ControlAddress, closed: (reason: Error) => void) => Promise<ControlStream>;
}

/**
 * A stream that lived for less does not count as a success: two proxies with
 * one name would otherwise take turns at throwing each other out, all day.
 */
const STEADY_MS = 5000;

/** Keeps one stream open: tries the addresses in turn, and again, ever less often, after each loss. */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #stop = Promise.withResolvers<void>();
  #next = Promise.withResolvers<ControlStream>();
  #stream: ControlStream | null = null;
  #address: string | null = null;
  #since: number;
  #openedAt = 0;
  #lostAt: number;
  #lastError: string | null = null;
  #closed = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    this.#lostAt = options.clock.monotonic();
    this.#next.promise.catch(() => {});
  }

  get stream(): ControlStream | null {
    return this.#stream;
  }

  /** Address of the stream that is or was open. */
  get address(): string | null {
    return this.#address;
  }

  /** Since when there is or is no stream, milliseconds since the epoch. */
  get since(): number {
    return this.#since;
  }

  get lastError(): string | null {
    return this.#lastError;
  }

  /** For how long there has been no stream, in milliseconds; 0 while there is one. */
  get offlineMs(): number {
    return this.#stream === null ? this.#options.clock.monotonic() - this.#lostAt : 0;
  }

  /** @throws {Offline} when no stream comes in time. */
  async opened(deadlineMs: number): Promise<ControlStream> {
    if (this.#stream !== null) return this.#stream;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(deadlineMs, () =>
      reject(new Offline(`Cannot ask the control plane: there was no stream to it for ${deadlineMs} ms`)),
    );
    return await Promise.race([this.#next.promise, promise]).finally(() => timer.cancel());
  }

  /** Runs until `close`. */
  async run(): Promise<void> {
    while (!this.#closed) {
      await this.#round();
      if (!this.#closed) await this.#sleep(this.#options.backoff.next());
    }
  }

  close(): void {
    this.#closed = true;
    this.#stop.resolve();
    this.#stream?.close();
    this.#next.reject(new Offline("Cannot ask the control plane: this proxy is stopping"));
  }

  /** One try at every address, until one gives a stream, to the end of that. */
  async #round(): Promise<void> {
    const { addresses, log } = this.#options;
    for (const address of addresses) {
      if (this.#closed) return;
      try {
        await this.#live(address);
        return;
      } catch (error) {
        this.#failed(messageOf(error));
        log.debug(messageOf(error), { control: formatAddress(address) });
      }
    }
  }

  async #live(address: ControlAddress): Promise<void> {
    const { log, open } = this.#options;
    const ended = Promise.withResolvers<Error>();
    const stream = await open(address, ended.resolve);
    this.#enter(stream, formatAddress(address));
    log.info("connected to the control plane", { control: this.#address });
    if (this.#closed) stream.close();
    const reason = await ended.promise;
    this.#leave();
    if (this.#closed) return;
    this.#lastError = reason.message;
    log.warn(`lost the control plane: ${reason.message}`, { control: this.#address });
  }

  #enter(stream: ControlStream, address: string): void {
    this.#openedAt = this.#options.clock.monotonic();
    this.#stream = stream;
    this.#address = address;
    this.#since = this.#options.clock.now();
    this.#lastError = null;
    this.#next.resolve(stream);
  }

  #leave(): void {
    this.#stream = null;
    this.#since = this.#options.clock.now();
    this.#lostAt = this.#options.clock.monotonic();
    if (this.#lostAt - this.#openedAt >= STEADY_MS) this.#options.backoff.reset();
    this.#next = Promise.withResolvers();
    this.#next.promise.catch(() => {});
  }

  /** Said once at level warn, however often it repeats. */
  #failed(reason: string): void {
    if (reason !== this.#lastError) this.#options.log.warn(reason);
    this.#lastError = reason;
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, resolve);
    await Promise.race([promise, this.#stop.promise]);
    timer.cancel();
  }
}
