import { beforeEach, describe, expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../../test/harness/fake-clock.ts";
import { requestHead } from "../../../test/harness/head.ts";
import { DATA, frame, PING, SETTINGS, uint32, WINDOW_UPDATE } from "../../../test/harness/http2.ts";
import { Deadlines, NO_BYTES } from "../../base/mod.ts";
import type { Wire } from "../../listener/mod.ts";
import { Exchange, type ResponseHandler, UpstreamFailure } from "../exchange.ts";
import { CHUNKED, type RequestHead } from "../head.ts";
import { ClientMux } from "./client.ts";
import { Http2Kit } from "./kit.ts";

const ACK = 1;
const NOTHING_ADDED = { bytes: NO_BYTES, length: 0 };
/** Deadlines of seconds are kept to a quarter of one. */
const SLACK_MS = 300;

const setUp = {} as {
  clock: FakeClock;
  failures: (readonly [UpstreamFailure, string])[];
  /** What waits for the end of the round. */
  waiting: (() => void)[];
  /** A stream has room again. */
  drained: () => void;
};

beforeEach(() => {
  setUp.clock = fakeClock();
  setUp.failures = [];
  setUp.waiting = [];
  setUp.drained = () => {};
});

describe("a connection to a proxy of the mesh", () => {
  test("that owes an answer and says nothing is asked whether it lives, and ended where it does not say so", () => {
    const { connection, wire } = connect(true);
    send(connection);

    advance(2_000 + SLACK_MS);
    expect(wire.pings).toBe(1);
    expect(wire.terminated).toBe(false);
    advance(3_000 + SLACK_MS);

    expect(wire.terminated).toBe(true);
    expect(setUp.failures).toEqual([[UpstreamFailure.Closed, "the peer does not answer a PING"]]);
    expect(connection.canOpen).toBe(false);
  });

  test("that says it lives may take its time", () => {
    const { connection, wire } = connect(true);
    send(connection);

    for (let asked = 1; asked <= 5; asked++) {
      advance(2_000 + SLACK_MS);
      expect(wire.pings).toBe(asked);
      connection.received(frame(PING, ACK, 0, "\0".repeat(8)));
      advance(3_000);
    }

    expect(wire.terminated).toBe(false);
    expect(setUp.failures).toEqual([]);
  });

  test("that was idle for long is asked at once when it is used again", () => {
    const { connection, wire } = connect(true);
    advance(60_000);
    expect(wire.pings).toBe(0);

    send(connection);

    expect(wire.pings).toBe(1);
    advance(3_000 + SLACK_MS);
    expect(setUp.failures).toHaveLength(1);
  });
});

test("a server that is no proxy of ours is asked no more than it takes, however long it is quiet", () => {
  const { connection, wire } = connect(false);
  advance(60_000);
  send(connection);

  advance(300_000);

  expect(wire.pings).toBe(0);
  expect(wire.terminated).toBe(false);
});

test("what is written by a stream that has just been told of room waits for its turn, and is not forgotten", () => {
  const { connection, wire } = connect(true);
  connection.received(frame(WINDOW_UPDATE, 0, 0, uint32(1024 * 1024)));
  const [first, second] = [upload(connection), upload(connection)];
  setUp.drained = () => {
    setUp.drained = () => {};
    second.data(Buffer.alloc(3_000), 0, 3_000);
    second.finish(null);
  };

  // Both go beyond what one round takes, so that one stands in line behind the other.
  first.data(Buffer.alloc(65_000), 0, 65_000);
  first.data(Buffer.alloc(500), 0, 500);
  second.data(Buffer.alloc(1_000), 0, 1_000);
  const third = upload(connection);
  third.data(Buffer.alloc(40_000), 0, 40_000);
  for (let round = 0; round < 10; round++) endRound();

  expect(wire.bodyOf(3)).toEqual({ bytes: 4_000, ended: true });
});

/** A connection whose peer has said its SETTINGS, and what it writes. */
function connect(isMesh: boolean): { connection: ClientMux; wire: RecordingWire } {
  const kit = new Http2Kit({ deadlines: new Deadlines(setUp.clock), schedule: (run) => setUp.waiting.push(run) });
  const wire = new RecordingWire();
  const handler = {
    drained: () => setUp.drained(),
    failed: (_exchange: Exchange, failure: UpstreamFailure, problem: string) => setUp.failures.push([failure, problem]),
  } as unknown as ResponseHandler;
  const keeper = { freed() {}, leaving() {}, gone() {} };
  const connection = new ClientMux(wire, { handler, kit, secure: true, isMesh, keeper });
  connection.received(frame(SETTINGS, 0, 0));
  return { connection, wire };
}

/** Time goes on, and what was written meanwhile is with the kernel. */
function advance(ms: number): void {
  setUp.clock.advance(ms);
  endRound();
}

function endRound(): void {
  for (const run of setUp.waiting.splice(0)) run();
}

function send(connection: ClientMux): void {
  begin(connection, requestHead({}));
  endRound();
}

/** A request whose body follows. */
function upload(connection: ClientMux) {
  const head = requestHead({ method: "POST" });
  head.contentLength = CHUNKED;
  return begin(connection, head);
}

function begin(connection: ClientMux, head: RequestHead) {
  const exchange = new (class extends Exchange {})();
  Object.assign(exchange.request, head);
  const stream = connection.open();
  stream.send(exchange, Buffer.from("web"), null, null, NOTHING_ADDED);
  return stream;
}

class RecordingWire implements Wire {
  terminated = false;
  pings = 0;
  readonly #bodies = new Map<number, { bytes: number; ended: boolean }>();

  bodyOf(stream: number): { readonly bytes: number; readonly ended: boolean } {
    return this.#bodies.get(stream) ?? { bytes: 0, ended: false };
  }

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    for (let p = offset; p + 9 <= offset + length; ) {
      const [size, type] = [(bytes[p + 1]! << 8) | bytes[p + 2]!, bytes[p + 3]!];
      // The preface is longer than any frame could be here.
      if (bytes[p] === "P".charCodeAt(0)) p += 24;
      else {
        if (type === PING && bytes[p + 4] === 0) this.pings++;
        if (type === DATA) this.#count(bytes[p + 8]!, ((bytes[p]! << 16) | size) >>> 0, bytes[p + 4] === 1);
        p += 9 + size;
      }
    }
    return length;
  }
  #count(stream: number, size: number, ended: boolean): void {
    this.#bodies.set(stream, { bytes: this.bodyOf(stream).bytes + size, ended });
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  end(): void {}
  terminate(): void {
    this.terminated = true;
  }
}
