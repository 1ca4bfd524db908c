import { connect as connectPlain, type Socket as NetSocket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

/** Where a client connects, and how it proves itself. */
export interface Door {
  readonly address: string;
  readonly port: number;
  readonly tls?: DoorTls;
  /** Sent on the bare connection first, as the CONNECT of a forward proxy. */
  readonly tunnel?: string;
}

export interface DoorTls {
  readonly serverName?: string;
  readonly roots: string;
  readonly certificate?: string;
  readonly privateKey?: string;
}

/** A response of HTTP/1.1, or of a proxy that refused the tunnel. */
export interface Answer {
  readonly status: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** How long a peer may keep a client waiting. */
const PATIENCE_MS = 4000;

/** A connection, tunnelled and encrypted as the door says. Rejects where a handshake does not come about. */
export async function openDoor({ address, port, tls, tunnel }: Door, protocol = "http/1.1"): Promise<NetSocket> {
  const socket = connectPlain(port, address);
  await once(socket, "connect");
  if (tunnel !== undefined) await enterTunnel(socket, tunnel);
  if (tls === undefined) return socket;
  const { serverName, roots, certificate, privateKey } = tls;
  const options: ConnectionOptions = {
    socket,
    ca: roots,
    ALPNProtocols: [protocol],
    ...(serverName !== undefined && { servername: serverName }),
    ...(certificate !== undefined && { cert: certificate, key: privateKey! }),
    // What is judged is who vouches; names of listeners are wildcards of any depth here.
    checkServerIdentity: () => undefined,
  };
  const secure = connectTls(options);
  await once(secure, "secureConnect");
  return secure;
}

function once(socket: NetSocket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`Cannot wait any longer for ${event}`));
    }, PATIENCE_MS);
    const over = (settle: () => void) => () => {
      clearTimeout(late);
      settle();
    };
    socket.once(event, over(resolve));
    socket.once("error", (error) => over(() => reject(error))());
    socket.once(
      "close",
      over(() => reject(new Error(`Cannot await ${event}: the connection was closed`))),
    );
  });
}

async function enterTunnel(socket: NetSocket, target: string): Promise<void> {
  const head = headOf(socket);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const line = (await head).split("\r\n", 1)[0]!;
  if (!/^HTTP\/1\.1 200 /.test(line)) throw new Error(`Cannot enter the tunnel to ${target}: ${line}`);
}

function headOf(socket: NetSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const read = (bytes: Buffer): void => {
      text += bytes.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      socket.off("data", read);
      resolve(text);
    };
    socket.on("data", read);
    socket.once("close", () =>
      reject(new Error(`Cannot read a head: the connection was closed after ${text.length} bytes`)),
    );
  });
}

/** Sends bytes and reads until the peer ends, or until `enough` says so of what came. */
export async function talk(
  door: Door,
  bytes: string,
  enough: (text: string) => boolean = () => false,
): Promise<string> {
  const socket = await openDoor(door);
  try {
    return await new Promise<string>((resolve, reject) => {
      let text = "";
      const late = setTimeout(
        () => reject(new Error(`Cannot wait any longer for an answer: ${text.length} bytes came`)),
        PATIENCE_MS,
      );
      const end = (): void => {
        clearTimeout(late);
        resolve(text);
      };
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
        if (enough(text)) end();
      });
      socket.once("close", end);
      socket.once("end", end);
      socket.once("error", (error) => {
        clearTimeout(late);
        reject(error);
      });
      socket.write(bytes, "latin1");
    });
  } finally {
    socket.destroy();
  }
}

/** One request on a connection of its own. */
export async function ask(
  door: Door,
  method: string,
  target: string,
  fields: readonly (readonly [string, string])[],
): Promise<Answer> {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const text = await talk(door, `${method} ${target} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`, isWhole);
  return answerIn(text);
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2));
  return length !== null && text.length >= end + 4 + Number(length[1]);
}

function answerIn(text: string): Answer {
  const end = text.indexOf("\r\n\r\n");
  const [line = "", ...lines] = text.slice(0, Math.max(end, 0)).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3})/.exec(line);
  if (status === null) throw new Error(`Cannot read an answer: the connection ended after ${text.length} bytes`);
  const fields = lines.map((each): readonly [string, string] => {
    const at = each.indexOf(":");
    return [each.slice(0, at).toLowerCase(), each.slice(at + 1).trim()];
  });
  const body = text.slice(end + 4);
  const chunked = fields.some(([name, value]) => name === "transfer-encoding" && value === "chunked");
  return { status: Number(status[1]), fields, body: chunked ? dechunked(body) : body };
}

function dechunked(text: string): string {
  let whole = "";
  for (let rest = text; ; ) {
    const end = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (!(size > 0)) return whole;
    whole += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 2 + size + 2);
  }
}
