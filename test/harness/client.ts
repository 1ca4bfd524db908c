import { type Connection, type Ending, open, type Target } from "./connection.ts";
import {
  type Body,
  bytesOf,
  type FieldLines,
  fieldValue,
  framingOf,
  headText,
  Malformed,
  readBody,
  readHead,
} from "./message.ts";

/** A response as it came, whole. */
export interface Response {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  readonly body: Body;
  /** The 1xx responses before it. */
  readonly informational: readonly ResponseHead[];
  /** Its body as text. */
  readonly text: string;
  /** Value of a field; null without one. */
  get(name: string): string | null;
}

export type ResponseHead = Pick<Response, "version" | "status" | "reason" | "fields">;

export interface Request {
  /** @default "GET" */
  readonly method?: string;
  /** @default "/" */
  readonly target?: string;
  /** @default Host: test, unless `fields` bring one */
  readonly fields?: FieldLines;
  /** Sent with Content-Length. */
  readonly body?: string | Uint8Array;
}

/** A client of HTTP/1.1 that sends exactly what it is told, and believes no response that is not well formed. */
export class Client {
  readonly connection: Connection;
  /** Its own port: what the other side sees of it. */
  readonly port: number;

  constructor(connection: Connection) {
    this.connection = connection;
    this.port = connection.socket.localPort;
  }

  /** Sends bytes as they are. */
  send(bytes: string | Uint8Array): Promise<void> {
    return this.connection.write(bytes);
  }

  /** Sends a request and reads its response. */
  async request(request: Request): Promise<Response> {
    await this.send(requestBytes(request));
    return await this.response(request.method);
  }

  get(target: string, fields: FieldLines = []): Promise<Response> {
    return this.request({ target, fields });
  }

  /** Reads the next final response; the method it answers decides whether it has a body. */
  async response(method = "GET"): Promise<Response> {
    const informational: ResponseHead[] = [];
    let head = await this.head();
    for (; head.status < 200 && head.status !== 101; head = await this.head()) informational.push(head);
    const { fields } = head;
    const bare = method === "HEAD" || head.status < 200 || head.status === 204 || head.status === 304;
    const tunnel = method === "CONNECT" && head.status < 300;
    const body = await readBody(this.connection, fields, bare || tunnel ? "none" : framingOf(fields, "close"));
    return {
      ...head,
      body,
      informational,
      text: body.bytes.toString("latin1"),
      get: (name) => fieldValue(fields, name),
    };
  }

  /** Reads one head, a 1xx too. */
  async head(): Promise<ResponseHead> {
    const { line, fields } = await readHead(this.connection);
    const match = /^(HTTP\/1\.[01]) ([1-9]\d\d) ([\t\x20-\x7e]*)$/.exec(line);
    if (!match) throw new Malformed("a status line is not one", line);
    return { version: match[1]!, status: Number(match[2]), reason: match[3]!, fields };
  }

  /** How the connection ended. */
  get ended(): Promise<Ending> {
    return this.connection.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]();
  }
}

/** Connects a client. */
export async function connect(target: Target | number): Promise<Client> {
  return new Client(await open(target));
}

/** One request on a connection of its own. */
export async function request(target: Target | number, what: Request = {}): Promise<Response> {
  await using client = await connect(target);
  return await client.request(what);
}

/** A request on the wire. */
export function requestBytes({ method = "GET", target = "/", fields = [], body }: Request): Buffer {
  const lines = [...fields];
  if (fieldValue(lines, "host") === null) lines.unshift(["Host", "test"]);
  const bytes = bytesOf(body ?? "");
  if (body !== undefined) lines.push(["Content-Length", String(bytes.length)]);
  return Buffer.concat([Buffer.from(headText(`${method} ${target} HTTP/1.1`, lines), "latin1"), bytes]);
}
