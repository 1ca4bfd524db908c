/**
 * A client with an open loop: `bun latency.ts PORT RATE SECONDS CONNECTIONS`.
 * Requests are due at fixed moments and do not wait for answers to others. One
 * that finds no free connection waits, and its wait counts. One that this
 * client itself sends late, because its timer has a grain of a millisecond,
 * counts from when it was sent.
 * @module
 */
import type { Socket } from "bun";

interface Slot {
  /** When its request was sent or should have been, ns; 0 while it is free. */
  since: number;
  /** Bytes of the answer still to come; -1 before its head. */
  left: number;
  head: string;
}

const [port, rate, seconds, connections] = process.argv.slice(2).map(Number) as [number, number, number, number];
const latencies: number[] = [];
const waiting: number[] = [];
let errors = 0;
let sent = 0;
let turn = 0;

const sockets = await Promise.all(Array.from({ length: connections }, () => connect()));
const start = Bun.nanoseconds();
const total = rate * seconds;
const timer = setInterval(tick, 1);

function tick(): void {
  const now = Bun.nanoseconds();
  const due = Math.min(total, Math.floor(((now - start) * rate) / 1e9));
  for (; sent < due; sent++) ask(now);
  if (sent === total && (latencies.length + errors >= total || now - start > (seconds + 2) * 1e9)) finish();
}

/** Gives a request to the next connection in turn that is free. */
function ask(since: number): void {
  for (let i = 0; i < sockets.length; i++) {
    const socket = sockets[turn++ % sockets.length]!;
    if (socket.data.since !== 0) continue;
    send(socket, since);
    return;
  }
  waiting.push(since);
}

function send(socket: Socket<Slot>, since: number): void {
  const id = crypto.randomUUID().replaceAll("-", "");
  Object.assign(socket.data, { since, left: -1, head: "" });
  socket.write(`GET /api/items/${id.slice(0, 8)}?q=${id.slice(8, 12)} HTTP/1.1\r\nHost: web\r\nUser-Agent: bench\r
Accept: */*\r\nCookie: session=${id.slice(0, 16)}\r\ntraceparent: 00-${id}-${id.slice(16)}-01\r\n\r\n`);
}

function receive(socket: Socket<Slot>, bytes: Buffer): void {
  const slot = socket.data;
  if (slot.left < 0) {
    slot.head += bytes.toString("latin1");
    const end = slot.head.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (!slot.head.startsWith("HTTP/1.1 200")) errors++;
    slot.left = Number(/content-length: *(\d+)/i.exec(slot.head)?.[1] ?? 0) - (slot.head.length - end - 4);
  } else slot.left -= bytes.length;
  if (slot.left > 0) return;
  latencies.push((Bun.nanoseconds() - slot.since) / 1e6);
  slot.since = 0;
  if (waiting.length > 0) send(socket, waiting.shift()!);
}

function connect(): Promise<Socket<Slot>> {
  return Bun.connect<Slot>({
    hostname: "127.0.0.1",
    port,
    data: { since: 0, left: -1, head: "" },
    socket: { data: receive, close: () => void errors++, error: () => void errors++ },
  });
}

function finish(): void {
  clearInterval(timer);
  const sorted = latencies.toSorted((a, b) => a - b);
  const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  const lost = total - latencies.length;
  console.log(JSON.stringify({ p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), errors: errors + lost }));
  process.exit(0);
}
