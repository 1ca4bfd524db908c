import { open } from "./connection.ts";
import { eventually } from "./eventually.ts";

/** A server that is none of ours, on a port of its own. */
export interface ServerProgram {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_MS = 15_000;

/** Starts a server that is told its port, and waits until it takes connections. */
export async function startServerProgram(
  command: (port: number) => Promise<readonly string[]> | readonly string[],
): Promise<ServerProgram> {
  const port = freePort();
  const child = Bun.spawn([...(await command(port))], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
  };
  try {
    await eventually(async () => {
      await (await open(port))[Symbol.asyncDispose]();
    }, START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, [Symbol.asyncDispose]: stop };
}

/** Free a moment ago: for programs that take no port 0. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
