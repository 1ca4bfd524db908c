import { Connection, type ConnectionOptions } from "./connection.ts";
import type { ConnectionRecorder } from "./connection-record.ts";
import type { Mesh } from "./mesh.ts";

/** The connections of one worker whose content is not read. */
export class Connections {
  readonly #mesh: Mesh;
  readonly #recorder: ConnectionRecorder;
  readonly #open = new Set<Connection>();

  constructor(mesh: Mesh, recorder: ConnectionRecorder) {
    this.#mesh = mesh;
    this.#recorder = recorder;
  }

  /** Connections under way: what a drain waits for. */
  get active(): number {
    return this.#open.size;
  }

  /**
   * Serves an accepted connection. The caller gives the socket's events to its
   * `owner`, and calls `begin()`. `onClose`: it is over.
   */
  serve(options: ConnectionOptions, onClose: (connection: Connection) => void): Connection {
    const connection = new Connection(options, {
      mesh: this.#mesh,
      recorder: this.#recorder,
      onClose: (over) => {
        this.#open.delete(over);
        onClose(over);
      },
    });
    this.#open.add(connection);
    return connection;
  }

  /** Ends all of them now. */
  destroy(): void {
    for (const connection of [...this.#open]) connection.destroy();
  }
}
