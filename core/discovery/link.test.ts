import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { encodeText } from "./framing.ts";
import { Link, LinkLost, PeerFailure } from "./link.ts";
import { Frame } from "./protocol.ts";

test("what a slow socket does not take is kept, in order, and written when it drains", () => {
  const { link, socket } = linkOf();
  socket.room = 8;

  link.send(Frame.Want, { hosts: ["a"] });
  link.send(Frame.Drop, { hosts: ["b"] });
  expect(socket.written.length).toBe(8);
  expect(link.queuedBytes).toBeGreaterThan(0);

  socket.room = 1e6;
  link.drained();

  const expected = Buffer.concat([
    encodeText(Frame.Want, '{"hosts":["a"]}'),
    encodeText(Frame.Drop, '{"hosts":["b"]}'),
  ]);
  expect(socket.written).toEqual([...expected]);
  expect(link.queuedBytes).toBe(0);
});

test("a ping is answered without bothering the reader", () => {
  const { link, socket, seen } = linkOf();

  link.received(encodeText(Frame.Ping, ""));

  expect(socket.written).toEqual([...encodeText(Frame.Pong, "")]);
  expect(seen).toEqual([]);
});

test("a peer that falls silent is pinged, then given up", () => {
  const { link, socket, clock, seen } = linkOf();
  link.watch({ pingMs: 1000, deadMs: 3000 });

  clock.advance(2000);
  expect(socket.written.length).toBe(10);
  expect(link.closed).toBe(false);

  clock.advance(1000);
  expect(link.closed).toBe(true);
  expect(socket.ended).toBe("terminated");
  expect(seen).toEqual(["closed LinkLost"]);
});

test("a peer that answers pings is kept", () => {
  const { link, clock } = linkOf();
  link.watch({ pingMs: 1000, deadMs: 3000 });

  for (let i = 0; i < 10; i++) {
    clock.advance(1000);
    link.received(encodeText(Frame.Pong, ""));
  }

  expect(link.closed).toBe(false);
});

test("a failure of the peer ends the link with its words", () => {
  const { link, reasons } = linkOf();

  link.received(encodeText(Frame.Failure, '{"code":"token","message":"no such token"}'));

  expect(reasons[0]).toBeInstanceOf(PeerFailure);
  expect((reasons[0] as PeerFailure).failure).toBe("token");
  expect(reasons[0]!.message).toBe("no such token");
});

test("the reason of an end is ours, not that of the socket that we close", () => {
  const { link, socket, reasons } = linkOf();
  socket.end = () => {
    link.lost(null);
    return "";
  };

  link.received(encodeText(Frame.Failure, '{"code":"token","message":"no such token"}'));

  expect(reasons.map((reason) => reason.message)).toEqual(["no such token"]);
});

test("a malformed frame ends the link after saying why, and closed is told once", () => {
  const { link, socket, reasons } = linkOf();

  link.received(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]));
  link.lost(null);

  expect(Buffer.from(socket.written).toString()).toContain('"code":"malformed"');
  expect(socket.ended).toBe("ended");
  expect(reasons.length).toBe(1);
  expect(reasons[0]).toBeInstanceOf(LinkLost);
});

test("the last words go out before the socket ends", () => {
  const { link, socket } = linkOf();
  socket.room = 3;

  link.fail("going", "bye");
  expect(socket.ended).toBe("");
  socket.room = 1e6;
  link.drained();

  expect(Buffer.from(socket.written).toString()).toContain("bye");
  expect(socket.ended).toBe("ended");
});

test("a peer that never reads the last words is cut off", () => {
  const { link, socket, clock } = linkOf();
  socket.room = 0;

  link.fail("going", "bye");
  clock.advance(2000);

  expect(socket.ended).toBe("terminated");
});

function linkOf() {
  const clock = fakeClock();
  const seen: string[] = [];
  const reasons: Error[] = [];
  const socket = {
    room: 1e6,
    written: [] as number[],
    ended: "",
    write(data: Uint8Array): number {
      const n = Math.min(data.length, socket.room);
      socket.room -= n;
      socket.written.push(...data.subarray(0, n));
      return n;
    },
    end: () => (socket.ended = "ended"),
    terminate: () => (socket.ended = "terminated"),
  };
  const link = new Link(socket, clock, 1 << 16, {
    frame: (type) => seen.push(`frame ${type}`),
    closed(reason) {
      seen.push(`closed ${reason.name}`);
      reasons.push(reason);
    },
  });
  return { link, socket, clock, seen, reasons };
}
