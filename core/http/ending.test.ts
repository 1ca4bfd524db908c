import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { FACTS } from "../../test/harness/serving.ts";
import { Deadlines, NO_BYTES } from "../base/mod.ts";
import type { Wire } from "../listener/mod.ts";
import { Exchange, type RequestHandler, type ResponseHandler } from "./exchange.ts";
import { ClientConnection } from "./h1-client.ts";
import { ServerConnection } from "./h1-server.ts";
import { DEFAULT_HEAD_LIMITS } from "./parse.ts";
import { Stage } from "./sender.ts";

const LINGER_MS = 2_000;
const IDLE_MS = 300_000;

test("a connection that was closed behind its response is let go, not reset: a slow reader may not have it all yet", () => {
  const { wire, clock } = closedBehindResponse();

  clock.advance(LINGER_MS + 250);

  expect(wire.calls).toEqual(["shutdown", "end"]);
});

test("a connection that was let go, and whose peer does not end it, is reset in the end", () => {
  const { wire, clock } = closedBehindResponse();
  clock.advance(LINGER_MS + 250);

  clock.advance(IDLE_MS + 250);

  expect(wire.calls).toEqual(["shutdown", "end", "terminate"]);
});

test("a connection closed behind its response is let go where the process ends too", () => {
  const { wire, connection } = closedBehindResponse();

  connection.destroy();

  expect(wire.calls).toEqual(["shutdown", "end"]);
});

test("a connection with a response that waits for the kernel is reset where the process ends: it is truncated, and must look so", () => {
  const { wire, connection, stage } = serving();
  wire.room = 10;
  connection.received(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  stage.flush();

  connection.destroy();

  expect(wire.calls).toEqual(["terminate"]);
});

test("a tunnel that both sides have ended goes out to its last byte before its connection ends", () => {
  const { connection, wire, kept, stage } = tunnel();
  wire.room = 2;
  connection.data(Buffer.from("last words"), 0, 10);
  connection.finish(null);
  stage.flush();

  connection.leave();

  expect([wire.calls, kept]).toEqual([[], ["lingers"]]);
  wire.room = 100;
  connection.writable();
  expect([wire.text, wire.calls, kept]).toEqual(["last words", ["shutdown", "end"], ["lingers", "lost"]]);
});

test("a tunnel that both sides have ended, and that has nothing to say any more, ends at once and without an RST", () => {
  const { connection, wire, kept } = tunnel();
  connection.finish(null);

  connection.leave();

  expect([wire.calls, kept]).toEqual([["shutdown", "end"], ["lost"]]);
});

class WireDouble implements Wire {
  readonly calls: string[] = [];
  text = "";
  room = 1_000_000;

  write(bytes: Uint8Array, offset = 0, length = 0): number {
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.text += Buffer.from(bytes).latin1Slice(offset, offset + taken);
    return taken;
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {
    this.calls.push("shutdown");
  }
  end(): void {
    this.calls.push("end");
  }
  terminate(): void {
    this.calls.push("terminate");
  }
}

class ExchangeDouble extends Exchange {}

/** A server connection whose requests are answered at once. */
function serving() {
  const clock = fakeClock();
  const [wire, stage] = [new WireDouble(), new Stage()];
  const exchange = new ExchangeDouble();
  const handler = {
    begin: () => exchange,
    request: () => connection.answer(exchange, 200, NO_BYTES, Buffer.from("hello")),
    ended() {},
    gone() {},
  } as unknown as RequestHandler;
  const connection = new ServerConnection(wire, FACTS, {
    handler,
    stage,
    deadlines: new Deadlines(clock),
    headLimits: DEFAULT_HEAD_LIMITS,
    headTimeoutMs: 10_000,
    idleTimeoutMs: IDLE_MS,
    lingerMs: LINGER_MS,
    draining: () => false,
    http2: null,
    onClose() {},
    onIdleClose() {},
  });
  return { wire, stage, clock, connection };
}

function closedBehindResponse() {
  const served = serving();
  served.connection.received(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  served.stage.flush();
  return served;
}

function tunnel() {
  const [wire, stage, kept] = [new WireDouble(), new Stage(), [] as string[]];
  const keeper = {
    release: () => void kept.push("release"),
    lost: () => void kept.push("lost"),
    lingers: () => void kept.push("lingers"),
  };
  const client = { handler: {} as ResponseHandler, stage, headLimits: DEFAULT_HEAD_LIMITS };
  const connection = new ClientConnection(wire, client, keeper);
  connection.adopt(new ExchangeDouble());
  return { connection, wire, kept, stage };
}
