import { test } from "bun:test";
import { Deadlines } from "../../core/base/mod.ts";
import type { Wire } from "../../core/listener/mod.ts";
import { REACHED, Relay, type Side } from "../../core/tcp/mod.ts";
import { fakeClock } from "../harness/fake-clock.ts";
import { seeded } from "../harness/http1-reader.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed. */
const ROUNDS = 2_000 * Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260121);
const STEPS = 200;
const PIECE = 50;

test("whatever the order of events, each side gets what the other has sent, in order, then its end", () => {
  for (let i = 0; i < ROUNDS; i++) {
    const seed = SEED + i;
    const problem = play(seeded(seed));
    if (problem !== null) throw new Error(`seed ${seed}: ${problem}`);
  }
});

/** One side of the relay as the kernel and the program behind it would be. */
class Peer implements Wire {
  side: Side | null = null;
  said = "";
  heard = "";
  hasEnded = false;
  isShut = false;
  isClosed = false;
  isReset = false;
  isPaused = false;
  #room = 0;

  write(bytes: Uint8Array, offset = 0, length = 0): number {
    if (this.isShut || this.isClosed) return -1;
    const taken = Math.min(length, this.#room);
    this.#room -= taken;
    this.heard += Buffer.from(bytes).latin1Slice(offset, offset + taken);
    return taken;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  shutdown(): void {
    this.isShut = true;
  }
  end(): void {
    this.isClosed = true;
  }
  terminate(): void {
    this.isReset = this.isClosed = true;
  }

  /** Says something, where it is read. */
  speak(random: () => number): void {
    if (this.hasEnded || this.isPaused || this.isClosed) return;
    const text = "abcdefghij".repeat(PIECE / 10).slice(0, 1 + Math.floor(random() * PIECE));
    this.said += text;
    this.side!.received(Buffer.from(text));
  }

  finish(): void {
    // Nothing stands between what was said and its end: it may be told while the socket is paused.
    if (this.hasEnded || this.isClosed) return;
    this.hasEnded = true;
    this.side!.peerEnded();
  }

  read(bytes: number): void {
    this.#room += bytes;
    if (!this.isClosed) this.side?.writable();
  }
}

/** Null, or what went wrong. */
function play(random: () => number): string | null {
  const client = new Peer();
  let server: Peer | null = null;
  let isReached = false;
  const relay = new Relay(
    client,
    {
      reached() {
        isReached = true;
      },
      unreached() {
        server = null;
      },
      over() {},
    },
    { deadlines: new Deadlines(fakeClock()), idleTimeoutMs: 60_000, reachTimeoutMs: 10_000 },
  );
  client.side = relay.downstream;
  const acknowledged = random() < 0.5;
  const join = (): void => {
    server = new Peer();
    server.side = relay.join(server, acknowledged);
  };
  const acknowledge = (): void => {
    if (acknowledged && !isReached) server!.side!.received(REACHED);
  };
  for (let step = 0; step < STEPS; step++) {
    const dice = random();
    if (server === null) {
      if (dice < 0.3) join();
      else if (dice < 0.6) client.speak(random);
      else if (dice < 0.62) client.finish();
    } else if (!isReached && dice < 0.2) (server as Peer).side!.closed(random() < 0.5);
    else if (!isReached && dice < 0.4) acknowledge();
    else if (dice < 0.55) client.speak(random);
    else if (dice < 0.7 && isReached) (server as Peer).speak(random);
    else if (dice < 0.85) client.read(Math.floor(random() * PIECE));
    else if (dice < 0.98) (server as Peer).read(Math.floor(random() * PIECE));
    else if (dice < 0.99) client.finish();
    else if (isReached) (server as Peer).finish();
    const wrong = problemOf(client, server);
    if (wrong !== null) return `step ${step}: ${wrong}`;
  }
  if (server === null) join();
  acknowledge();
  return whole(client, server as unknown as Peer);
}

/** Lets both read and end; then all must be there. */
function whole(client: Peer, server: Peer): string | null {
  for (let i = 0; i < 5; i++) {
    client.read(1e6);
    server.read(1e6);
    client.finish();
    server.finish();
  }
  if (server.heard !== client.said) return `the server heard ${server.heard.length} of ${client.said.length}`;
  if (client.heard !== server.said) return `the client heard ${client.heard.length} of ${server.said.length}`;
  if (!client.isClosed || !server.isClosed) return "it does not end";
  return client.isReset || server.isReset ? "it is reset" : null;
}

function problemOf(client: Peer, server: Peer | null): string | null {
  if (server === null) return null;
  if (!client.said.startsWith(server.heard)) return "the server hears what was not said";
  if (!server.said.startsWith(client.heard)) return "the client hears what was not said";
  const held = [client.said.length - server.heard.length, server.said.length - client.heard.length];
  return Math.max(...held) > PIECE ? `it holds ${held.join(" and ")} bytes` : null;
}
