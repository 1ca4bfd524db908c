import { Connection, feed } from "./connection.ts";
import { within } from "./eventually.ts";

/** A server that speaks no protocol: the test does, on each connection it was given. */
export interface Accepting {
  readonly port: number;
  /** All connections so far. */
  readonly accepted: readonly Connection[];
  /** The next connection that nobody has asked for yet. */
  next(): Promise<Connection>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one; `greet` speaks first on every connection. */
export async function startAccepting(greet: (connection: Connection) => unknown = () => {}): Promise<Accepting> {
  const accepted: Connection[] = [];
  let taken = 0;
  let wake: (() => void) | null = null;
  const server = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      ...feed,
      open(socket) {
        const connection = new Connection();
        socket.data = connection;
        connection.opened(socket as never);
        accepted.push(connection);
        wake?.();
        greet(connection);
      },
    },
  });
  return {
    port: server.port,
    accepted,
    async next() {
      while (accepted.length === taken) await within("a connection", new Promise<void>((resolve) => (wake = resolve)));
      return accepted[taken++]!;
    },
    async [Symbol.asyncDispose]() {
      server.stop(true);
    },
  };
}
