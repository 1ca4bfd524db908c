import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { createServer as createTls, type TLSSocket } from "node:tls";
import { type Arrivals, listening, type Pod, type PodTls, type Seen, type SeenTls } from "./pod.ts";

/** What a request asks of its backend, by header: fields survive every rewrite of the path. */
const ASKS = {
  /** Groups requests, for counting. */
  key: "echo-key",
  /** Milliseconds before the answer. */
  delay: "echo-delay",
  status: "echo-status",
  /** Only the first so many requests of a key are treated as `echo-status`, `echo-delay` and `echo-reset` say. */
  failures: "echo-failures",
  /** The connection ends instead of an answer. */
  reset: "echo-reset",
  /** `Name: value` lines of the answer, split by "|". */
  answer: "echo-answer",
} as const;

export interface HttpEcho {
  stop(): void;
}

/** Starts an HTTP/1.1 and WebSocket echo; with `tls` over TLS. */
export async function startHttpEcho(pod: Pod, port: number, arrivals: Arrivals, tls?: PodTls): Promise<HttpEcho> {
  const inner = createServer((request, response) => answer(pod, arrivals, request, response));
  inner.on("upgrade", (request, socket) => upgrade(request, socket as Socket));
  inner.keepAliveTimeout = 60_000;
  const outer = tls === undefined ? inner : tlsAround(inner, tls);
  await listening(outer, port, pod.address);
  return { stop: () => void outer.close() };
}

/** Starts an HTTP/2 echo that takes prior knowledge only. */
export async function startHttp2Echo(pod: Pod, port: number, arrivals: Arrivals): Promise<HttpEcho> {
  const server = createHttp2((request, response) => {
    answer(pod, arrivals, request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  await listening(server as unknown as Server, port, pod.address);
  return { stop: () => void server.close() };
}

function tlsAround(inner: Server, { cert, key }: PodTls): Server {
  const options = { cert, key, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
  // Bun's https server does not tell the peer's certificate, its tls server does.
  return createTls(options, (socket) => {
    Object.assign(socket, { echoed: tlsOf(socket) });
    inner.emit("connection", socket);
  }) as unknown as Server;
}

function tlsOf(socket: TLSSocket): SeenTls {
  const raw = (socket.getPeerCertificate() as { readonly raw?: Buffer } | null)?.raw;
  return {
    version: socket.getProtocol() ?? "",
    serverName: String((socket as { readonly servername?: unknown }).servername ?? ""),
    ...(raw !== undefined && { peerCertificate: pem(raw) }),
  };
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function answer(pod: Pod, arrivals: Arrivals, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const attempts = count(pod, arrivals, request);
  const asked = (name: keyof typeof ASKS): string => String(request.headers[ASKS[name]] ?? "");
  const failing = asked("failures") === "" || attempts <= Number(asked("failures"));
  if (failing && asked("reset") !== "") return void request.socket.destroy();
  const reply = (): void => {
    for (const line of asked("answer").split("|").filter(Boolean)) {
      const at = line.indexOf(":");
      response.appendHeader(line.slice(0, at).trim(), line.slice(at + 1).trim());
    }
    response.statusCode = failing && asked("status") !== "" ? Number(asked("status")) : 200;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(seenBy(pod, request, attempts)));
  };
  const delay = failing ? Number(asked("delay")) : 0;
  if (delay > 0) setTimeout(reply, delay);
  else reply();
}

/** Counts a request under its key, by Deployment: the pod's name up to its number. */
function count(pod: Pod, arrivals: Arrivals, request: IncomingMessage): number {
  const key = request.headers[ASKS.key];
  if (typeof key !== "string") return 1;
  const full = `${pod.namespace}/${deploymentOf(pod)} ${key}`;
  const attempts = (arrivals.get(full) ?? 0) + 1;
  arrivals.set(full, attempts);
  return attempts;
}

export function deploymentOf({ name }: Pick<Pod, "name">): string {
  return name.replace(/-\d+$/, "");
}

function seenBy(pod: Pod, request: IncomingMessage, attempts: number): Seen {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!.toLowerCase();
    headers[name] = [...(headers[name] ?? []), request.rawHeaders[i + 1]!];
  }
  const tls = (request.socket as { readonly echoed?: SeenTls }).echoed;
  return {
    path: request.url ?? "",
    host: headers["host"]?.[0] ?? headers[":authority"]?.[0] ?? "",
    method: request.method ?? "",
    proto: `HTTP/${request.httpVersion}`,
    headers,
    namespace: pod.namespace,
    pod: pod.name,
    attempts,
    ...(tls !== undefined && { tls }),
  };
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Every frame goes back without its mask; that is all a test of an upgrade asks of a WebSocket server. */
function upgrade(request: IncomingMessage, socket: Socket): void {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on("error", () => socket.destroy());
  socket.on("data", (frame: Buffer) => {
    const length = frame[1]! & 0x7f;
    const mask = frame.subarray(2, 6);
    const payload = Buffer.from(frame.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]!));
    socket.write(Buffer.concat([Buffer.from([frame[0]!, length]), payload]));
  });
}
