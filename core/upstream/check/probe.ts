import type { Endpoint, HealthCheckModel } from "../../cluster/mod.ts";
import {
  ClientConnection,
  ClientMux,
  type ClientStream,
  type ConnectionKeeper,
  Exchange,
  type Http2Kit,
  type MuxKeeper,
  parseRequestHead,
  type ResponseHandler,
  type Trailers,
  type UpstreamFailure,
} from "../../http/mod.ts";
import type { Wire, WireOwner } from "../../listener/mod.ts";
import { type Dial, type DialFailure, type DialOutcome, type DialSettings, dial } from "../dial.ts";
import { type ProbeRequest, problemOfHealth } from "./request.ts";

/** What probes are made with. */
export interface ProbeSettings extends DialSettings {
  readonly http2: Http2Kit;
}

/** Bytes of an answer that are read: a HealthCheckResponse has seven. */
const KEPT_BYTES = 1_024;
const HTTP2: ReadonlySet<string> = new Set(["h2", "mesh/h2"]);
const NO_LINES = { bytes: Buffer.alloc(0), length: 0 };

/** One question to an endpoint, on a connection of its own. `done` is called once, with what is wrong or null. */
export class Probe extends Exchange implements DialOutcome, ConnectionKeeper, MuxKeeper {
  readonly #endpoint: Endpoint;
  readonly #model: HealthCheckModel;
  readonly #request: ProbeRequest;
  readonly #settings: ProbeSettings;
  readonly #done: (problem: string | null) => void;
  readonly #dial: Dial;
  #wire: Wire | null = null;
  #isDone = false;
  #isSent = false;
  #isAborted = false;
  #answer = Buffer.alloc(0);

  constructor(
    endpoint: Endpoint,
    model: HealthCheckModel,
    request: ProbeRequest,
    settings: ProbeSettings,
    done: (problem: string | null) => void,
  ) {
    super();
    this.#endpoint = endpoint;
    this.#model = model;
    this.#request = request;
    this.#settings = settings;
    this.#done = done;
    this.#dial = dial(endpoint, this.#speaksHttp2 ? "http2" : "http1", settings, this);
  }

  /** A sidecar takes HTTP/1.1 for whatever its app speaks. */
  get #speaksHttp2(): boolean {
    return this.#model.type === "GRPC" || (this.#endpoint.http2 && this.#endpoint.identity === null);
  }

  /** It is not wanted any more; `done` is not called. */
  abort(): void {
    this.#isDone = this.#isAborted = true;
    this.#dial.cancel();
    this.#wire?.terminate();
  }

  #end(problem: string | null): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#done(problem);
  }

  // ---- the dial ----

  opened(wire: Wire, protocol: string | null): WireOwner {
    this.#wire = wire;
    if (this.#isAborted || this.#model.type === "TCP") {
      this.#end(null);
      wire.end();
      return NOBODY;
    }
    const { client, http2 } = this.#settings;
    if (!this.#speaksHttp2) {
      const connection = new ClientConnection(wire, client, this);
      this.#send(connection);
      return connection;
    }
    if (protocol !== null && !HTTP2.has(protocol)) {
      this.#end("no HTTP/2 is spoken there");
      wire.end();
      return NOBODY;
    }
    const [secure, isMesh] = [protocol !== null, protocol === "mesh/h2"];
    return new ClientMux(wire, { handler: client.handler, kit: http2, secure, isMesh, keeper: this });
  }

  failed(_failure: DialFailure, problem: string): void {
    this.#end(problem);
  }

  #send(stream: ClientStream): void {
    this.#isSent = true;
    const { head, body } = this.#request;
    parseRequestHead(this.request, head, 0, head.length, this.#settings.client.headLimits);
    stream.send(this, Buffer.alloc(0), null, null, NO_LINES);
    if (body.length === 0) return;
    stream.data(body, 0, body.length);
    stream.finish(null);
  }

  // ---- the connection ----

  release(connection: ClientConnection): void {
    connection.close();
  }
  lost(): void {
    this.#wire = null;
  }
  lingers(connection: ClientConnection): void {
    connection.abort();
  }
  freed(connection: ClientMux): void {
    if (!this.#isSent && connection.canOpen) this.#send(connection.open());
  }
  leaving(): void {}
  gone(): void {
    this.#wire = null;
    this.#end("it closed the connection");
  }

  // ---- the answer ----

  headCame(): void {
    if (this.#model.type === "GRPC") return;
    const { status } = this.response;
    const { statuses } = this.#model;
    const isFine = statuses === undefined ? status >= 200 && status < 300 : statuses.includes(status);
    this.#end(isFine ? null : `status ${status}`);
  }

  bodyCame(bytes: Buffer, start: number, end: number): void {
    if (this.#answer.length < KEPT_BYTES) this.#answer = Buffer.concat([this.#answer, bytes.subarray(start, end)]);
  }

  ended(trailers: Trailers | null): void {
    const status = trailers?.get("grpc-status") ?? this.response.get("grpc-status");
    const failure = status === "0" ? problemOfHealth(this.#answer) : `grpc-status ${status ?? "is missing"}`;
    this.#end(failure);
    if (this.#speaksHttp2) this.#wire?.end();
  }

  broke(problem: string): void {
    this.#end(problem);
  }
}

/** What comes back for probes. */
export const PROBE_HANDLER: ResponseHandler = Object.freeze({
  informed() {},
  response: (exchange: Exchange) => (exchange as Probe).headCame(),
  responseBody: (exchange: Exchange, bytes: Buffer, start: number, end: number) =>
    (exchange as Probe).bodyCame(bytes, start, end),
  responseEnd: (exchange: Exchange, trailers: Trailers | null) => (exchange as Probe).ended(trailers),
  drained() {},
  failed: (exchange: Exchange, _failure: UpstreamFailure, problem: string) => (exchange as Probe).broke(problem),
});

const NOBODY: WireOwner = Object.freeze({ received() {}, writable() {}, peerEnded() {}, closed() {} });
