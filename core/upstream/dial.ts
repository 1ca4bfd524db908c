import type { Socket } from "bun";
import { Deadline, type Deadlines, messageOf } from "../base/mod.ts";
import type { Endpoint } from "../cluster/mod.ts";
import type { ClientSettings } from "../http/mod.ts";
import { socketHandlers, type Wire, type WireOwner } from "../listener/mod.ts";

export const DialFailure = { Refused: 0, Timeout: 1, Untrusted: 2 } as const;
export type DialFailure = (typeof DialFailure)[keyof typeof DialFailure];

/** What a connection is wanted for; TLS may agree on less than HTTP/2. `bytes`: whatever is in it is not ours to know. */
export type Spoken = "http1" | "http2" | "bytes";

/** What a TLS dial needs of the identity; read anew for each connection. */
export interface ClientTls {
  /** Options for `Bun.connect`; null where there can be no connection, e.g. while there is no certificate. */
  options(endpoint: Endpoint, spoken: Spoken): object | null;
  /** Why there are no options. */
  lacking(endpoint: Endpoint): string;
  /** Why the peer is not who the endpoint should be; null when it is. */
  verify(error: Error | null, socket: Socket<unknown>, endpoint: Endpoint): string | null;
}

export interface DialSettings {
  readonly client: ClientSettings;
  readonly deadlines: Deadlines;
  /** TCP and TLS handshakes together, where the endpoint's cluster says nothing. */
  readonly connectTimeoutMs: number;
  /** Null for an endpoint that is reached in plaintext. */
  readonly tls: (endpoint: Endpoint) => ClientTls | null;
  readonly bug: (error: unknown) => void;
}

export interface DialOutcome {
  /** `protocol` is what TLS has agreed upon, "" for nothing; null without TLS. */
  opened(wire: Wire, protocol: string | null): WireOwner;
  failed(failure: DialFailure, problem: string): void;
}

interface SocketState {
  owner: WireOwner | null;
}

/**
 * Opens a connection to an endpoint. Exactly one of the outcomes is called,
 * never before this returns.
 *
 * Bun.connect knows no timeout: a socket that opens after its deadline is ended.
 */
export function dial(endpoint: Endpoint, spoken: Spoken, settings: DialSettings, outcome: DialOutcome): Dial {
  const tls = settings.tls(endpoint);
  const attempt = new Dial(settings, outcome);
  if (tls === null) attempt.connect(endpoint, null, null);
  else {
    const options = tls.options(endpoint, spoken);
    if (options === null) attempt.fail(DialFailure.Untrusted, tls.lacking(endpoint));
    else attempt.connect(endpoint, options, (error, socket) => tls.verify(error, socket, endpoint));
  }
  return attempt;
}

type Verify = (error: Error | null, socket: Socket<unknown>) => string | null;

export class Dial extends Deadline {
  readonly #settings: DialSettings;
  readonly #outcome: DialOutcome;
  #socket: Socket<SocketState> | null = null;
  #over = false;
  #timeoutMs = 0;
  /**
   * Resolves when the kernel has a connection or has given up: a dial that
   * failed at its deadline may hold its descriptor for two minutes more.
   */
  settled: Promise<void> = Promise.resolve();

  constructor(settings: DialSettings, outcome: DialOutcome) {
    super();
    this.#settings = settings;
    this.#outcome = outcome;
  }

  connect(endpoint: Endpoint, tls: object | null, verify: Verify | null): void {
    this.#timeoutMs = endpoint.home.timeouts.connectMs ?? this.#settings.connectTimeoutMs;
    this.#settings.deadlines.set(this, this.#timeoutMs);
    const { stage } = this.#settings.client;
    const owned = socketHandlers(() => stage.flush(), this.#settings.bug);
    const state: SocketState = { owner: null };
    const opening = Promise.try(
      Bun.connect as never,
      {
        hostname: endpoint.address,
        port: endpoint.port,
        allowHalfOpen: true,
        data: state,
        ...(tls === null ? {} : { tls }),
        socket: {
          ...owned,
          open: (socket: Socket<SocketState>) => this.#connected(socket, verify === null),
          ...(verify === null
            ? {}
            : { handshake: (s: Socket<SocketState>, _ok: boolean, e: Error | null) => this.#shaken(s, e, verify) }),
          close: (socket: Socket<SocketState>, error?: unknown) => {
            if (socket.data.owner === null) this.fail(DialFailure.Refused, "connection closed before it was ready");
            else owned.close(socket, error);
          },
          connectError: (_socket: unknown, error: Error) => this.fail(DialFailure.Refused, connectProblem(error)),
        },
      } as never,
    ) as Promise<unknown>;
    this.settled = opening.then(
      () => {},
      (error: unknown) => this.fail(DialFailure.Refused, connectProblem(error)),
    );
  }

  #connected(socket: Socket<SocketState>, plain: boolean): void {
    this.#socket = socket;
    if (this.#over) socket.terminate();
    else if (plain) this.#open(socket, null);
  }

  #shaken(socket: Socket<SocketState>, error: Error | null, verify: Verify): void {
    if (this.#over) return;
    const problem = verify(error, socket as never);
    if (problem === null) this.#open(socket, agreedBy(socket));
    else this.fail(DialFailure.Untrusted, problem);
  }

  #open(socket: Socket<SocketState>, protocol: string | null): void {
    this.#over = true;
    this.#settings.deadlines.clear(this);
    socket.data.owner = this.#outcome.opened(socket as never, protocol);
    this.#settings.client.stage.flush();
  }

  override expire(): void {
    this.fail(DialFailure.Timeout, `no connection within ${this.#timeoutMs} ms`);
  }

  /** Gives it up; no outcome follows. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#settings.deadlines.clear(this);
    this.#socket?.terminate();
  }

  fail(failure: DialFailure, problem: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#settings.deadlines.clear(this);
    this.#socket?.terminate();
    queueMicrotask(() => {
      this.#outcome.failed(failure, problem);
      this.#settings.client.stage.flush();
    });
  }
}

function agreedBy(socket: object): string {
  const { alpnProtocol } = socket as { readonly alpnProtocol?: unknown };
  return typeof alpnProtocol === "string" ? alpnProtocol : "";
}

function connectProblem(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : messageOf(error);
}
