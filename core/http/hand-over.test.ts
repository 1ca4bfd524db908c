import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { FACTS } from "../../test/harness/serving.ts";
import { Deadlines } from "../base/mod.ts";
import type { Wire, WireOwner } from "../listener/mod.ts";
import { Exchange, type RequestHandler } from "./exchange.ts";
import { ServerConnection } from "./h1-server.ts";
import { DEFAULT_HEAD_LIMITS } from "./parse.ts";
import { Stage } from "./sender.ts";

const CONNECT = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";

test("a connection that is handed over at once gives its new owner what came behind the request", () => {
  const { connection, events, heir } = serving(() => connection.handOver(heir));

  connection.received(Buffer.from(`${CONNECT}\0\x01bytes`));

  expect(events).toEqual(["ended", "received \0\x01bytes"]);
});

test("one that is handed over later flows again before its new owner hears what was held, which may stop it", () => {
  const { connection, events, heir } = serving(() => {});
  connection.received(Buffer.from(`${CONNECT}early`));
  connection.received(Buffer.from(" more"));
  connection.peerEnded();

  connection.handOver(heir);

  expect(events).toEqual(["pause", "ended", "resume", "received early more", "peer ended"]);
});

class ExchangeDouble extends Exchange {}

function serving(request: () => void) {
  const events: string[] = [];
  const exchange = new ExchangeDouble();
  const handler = { begin: () => exchange, request, ended: () => void events.push("ended") };
  const wire = { data: {}, pause: () => void events.push("pause"), resume: () => void events.push("resume") };
  const connection = new ServerConnection(wire as unknown as Wire, FACTS, {
    handler: handler as unknown as RequestHandler,
    stage: new Stage(),
    deadlines: new Deadlines(fakeClock()),
    headLimits: DEFAULT_HEAD_LIMITS,
    ...{ headTimeoutMs: 10_000, idleTimeoutMs: 10_000, lingerMs: 1_000, http2: null },
    draining: () => false,
    onClose() {},
    onIdleClose() {},
  });
  const heir: WireOwner = {
    received: (bytes) => void events.push(`received ${bytes.toString()}`),
    peerEnded: () => void events.push("peer ended"),
    writable() {},
    closed() {},
  };
  return { connection, events, heir };
}
