import { beforeEach, describe, expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { Deadlines } from "../base/mod.ts";
import type { Wire } from "../listener/mod.ts";
import { Ending, REACHED, Relay, type RelayOwner } from "./relay.ts";
import type { Side } from "./side.ts";

const IDLE_MS = 60_000;
const REACH_MS = 10_000;

const setUp = {} as { clock: FakeClock; client: WireDouble; server: WireDouble; relay: Relay; told: string[] };

beforeEach(() => {
  const [clock, client, server, told] = [fakeClock(), new WireDouble(), new WireDouble(), [] as string[]];
  const owner: RelayOwner = {
    reached: () => void told.push("reached"),
    unreached: (_, problem) => void told.push(`unreached: ${problem}`),
    over: () => void told.push("over"),
  };
  const deadlines = new Deadlines(clock);
  const relay = new Relay(client, owner, { deadlines, idleTimeoutMs: IDLE_MS, reachTimeoutMs: REACH_MS });
  Object.assign(setUp, { clock, client, server, relay, told });
});

describe("Relay", () => {
  test("keeps what comes before the upstream, and reads no more meanwhile", () => {
    const { relay, client, server } = setUp;
    said(relay.downstream, "early");
    expect(client.calls).toEqual(["pause"]);

    relay.join(server, false);

    expect([server.text, client.calls]).toEqual(["early", ["pause", "resume"]]);
  });

  test("stops reading one side while the other takes nothing, and loses no byte", () => {
    const { relay, client, server } = setUp;
    const upstream = relay.join(server, false);
    server.room = 3;

    said(relay.downstream, "abcdef");
    expect([server.text, client.calls]).toEqual(["abc", ["pause"]]);
    server.room = 100;
    upstream.writable();

    expect([server.text, client.calls]).toEqual(["abcdef", ["pause", "resume"]]);
    expect([relay.received, relay.sent]).toEqual([6, 0]);
  });

  test("passes an end on behind the bytes in front of it", () => {
    const { relay, server } = setUp;
    const upstream = relay.join(server, false);
    server.room = 1;

    said(relay.downstream, "ab");
    relay.downstream.peerEnded();
    expect(server.calls).toEqual([]);
    server.room = 1;
    upstream.writable();

    expect([server.text, server.calls]).toEqual(["ab", ["shutdown"]]);
  });

  test("is over when both sides have ended, once", () => {
    const { relay, client, server, told } = setUp;
    const upstream = relay.join(server, false);

    relay.downstream.peerEnded();
    upstream.peerEnded();
    expect([client.calls, server.calls]).toEqual([
      ["shutdown", "end"],
      ["shutdown", "end"],
    ]);
    relay.downstream.closed(false);
    upstream.closed(false);

    expect([told, relay.ending]).toEqual([["reached", "over"], Ending.Whole]);
  });

  test("passes a reset on at once, whatever waits", () => {
    const { relay, server, told } = setUp;
    relay.join(server, false);
    server.room = 0;
    said(relay.downstream, "abc");

    relay.downstream.closed(true);

    expect([server.calls, told, relay.ending]).toEqual([["terminate"], ["reached", "over"], Ending.DownstreamBroke]);
  });

  test("answers bytes for a connection that is closed with a reset", () => {
    const { relay, client, server } = setUp;
    const upstream = relay.join(server, false);
    upstream.closed(false);

    said(relay.downstream, "too late");

    expect(client.calls.at(-1)).toBe("terminate");
  });

  test("resets both sides when nothing has moved for too long, and not before", () => {
    const { relay, client, server, clock } = setUp;
    relay.join(server, false);
    clock.advance(IDLE_MS - 1_000);
    said(relay.downstream, "x");

    clock.advance(IDLE_MS - 1_000);
    expect(client.calls).toEqual([]);
    clock.advance(2_000);

    expect([client.calls, server.calls, relay.ending]).toEqual([["terminate"], ["terminate"], Ending.Idle]);
  });
});

describe("Relay, with an upstream that says when it is reached", () => {
  test("gives the next upstream what the one before was sent in vain, its end included", () => {
    const { relay, server, told } = setUp;
    said(relay.downstream, "question");
    relay.downstream.peerEnded();
    const first = relay.join(server, true);
    expect([server.text, server.calls]).toEqual(["question", ["shutdown"]]);

    first.closed(true);
    const next = new WireDouble();
    relay.join(next, true);

    expect(told).toEqual(["unreached: it was reset"]);
    expect([next.text, next.calls]).toEqual(["question", ["shutdown"]]);
  });

  test("keeps one piece and reads no more before it is reached, and passes its word on to nobody", () => {
    const { relay, client, server, told } = setUp;
    const upstream = relay.join(server, true);
    said(relay.downstream, "one");
    expect(client.calls).toEqual(["pause"]);

    said(upstream, `${REACHED.latin1Slice()}answer`);

    expect([client.calls, client.text, told]).toEqual([["pause", "resume"], "answer", ["reached"]]);
  });

  test("tries nobody else once it is reached", () => {
    const { relay, client, server, told } = setUp;
    const upstream = relay.join(server, true);
    said(relay.downstream, "one");
    said(upstream, REACHED.latin1Slice());

    upstream.closed(true);

    expect([told, client.calls.at(-1), relay.ending]).toEqual([["reached", "over"], "terminate", Ending.UpstreamBroke]);
  });

  test("gives one up that says nothing in time", () => {
    const { relay, server, told, clock } = setUp;
    relay.join(server, true);

    clock.advance(REACH_MS + 250);

    expect([told, server.calls]).toEqual([["unreached: it does not say in time that its app is there"], ["terminate"]]);
  });

  test("says a last word where there is nobody, and ends in peace", () => {
    const { relay, client, told } = setUp;

    relay.refuse(Buffer.from("sorry"));
    said(relay.downstream, "never read");
    relay.downstream.closed(false);

    expect([client.text, client.calls, told]).toEqual(["sorry", ["shutdown", "end"], ["over"]]);
    expect(relay.ending).toBe(Ending.Refused);
  });
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
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
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

function said(side: Side, text: string): void {
  side.received(Buffer.from(text, "latin1"));
}
