import { type Clock, type Log, MeshError, messageOf } from "../base/mod.ts";

/** The app that `mesh run` supervises. */
export interface Child {
  readonly pid: number;
  /** Its exit code; 128 + n where signal n ended it. */
  readonly exited: Promise<number>;
  signal(name: "SIGTERM" | "SIGINT" | "SIGKILL" | "SIGHUP"): void;
}

/** The command could not be started. */
export class ChildFailed extends MeshError {
  override readonly name = "ChildFailed";
  readonly code = "MESH_CHILD_FAILED";
  readonly source = "mesh";
}

/** Starts the app; it has our standard streams. @throws {ChildFailed} */
export function startChild(command: readonly string[], env: Readonly<Record<string, string | undefined>>): Child {
  try {
    const process = Bun.spawn([...command], { env: { ...env }, stdio: ["inherit", "inherit", "inherit"] });
    return {
      pid: process.pid,
      exited: process.exited.then((code) =>
        process.signalCode === null ? code : 128 + signalNumber(String(process.signalCode)),
      ),
      signal: (name) => process.kill(name),
    };
  } catch (cause) {
    throw new ChildFailed(`Cannot start "${command.join(" ")}": ${messageOf(cause)}`, { cause });
  }
}

function signalNumber(name: string): number {
  return { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[name] ?? 0;
}

/** How often the app's port is tried. */
const LOOK_MS = 50;

/** Resolves when the app takes connections on all its ports; never where it never does. */
export async function accepting(ports: readonly number[], clock: Clock, log: Log): Promise<void> {
  for (const port of ports) {
    let tries = 0;
    while (!(await takesConnections(port))) {
      if (++tries === 100) log.warn("the app takes no connections yet", { port });
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
  }
}

async function takesConnections(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data() {}, error() {}, connectError() {} },
    });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
