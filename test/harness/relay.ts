import type { Socket } from "bun";

/** A wire between two proxies that can be listened in on, and pointed elsewhere. */
export interface Relay {
  /** Another loopback address than the one of proxies: both may have the same port. */
  readonly host: string;
  readonly port: number;
  /** Port on 127.0.0.1 that the next connections are taken to. */
  target: number;
  /** Everything that went through, both ways. */
  bytes(): Buffer;
  [Symbol.asyncDispose](): Promise<void>;
}

interface End {
  other: Socket<End> | null;
  readonly early: Buffer[];
}

/** Starts a relay; whom it takes connections to is said later. It is not for bulk: it never waits for a slow reader. */
export function startRelay(): Relay {
  const seen: Buffer[] = [];
  const host = "127.0.0.2";
  const handlers = {
    data(socket: Socket<End>, bytes: Buffer): void {
      seen.push(bytes);
      if (socket.data.other === null) socket.data.early.push(bytes);
      else socket.data.other.write(bytes);
    },
    close: (socket: Socket<End>): void => void socket.data.other?.end(),
    error: (socket: Socket<End>): void => void socket.data.other?.terminate(),
  };
  const listener = Bun.listen<End>({
    hostname: host,
    port: 0,
    socket: {
      ...handlers,
      open(socket) {
        socket.data = { other: null, early: [] };
        void Bun.connect<End>({
          hostname: "127.0.0.1",
          port: relay.target,
          data: { other: socket, early: [] },
          socket: handlers,
        }).then(
          (other) => {
            socket.data.other = other;
            for (const bytes of socket.data.early) other.write(bytes);
          },
          () => socket.terminate(),
        );
      },
    },
  });
  const relay: Relay = {
    ...{ host, port: listener.port, target: 0 },
    bytes: () => Buffer.concat(seen),
    [Symbol.asyncDispose]: async () => listener.stop(true),
  };
  return relay;
}
