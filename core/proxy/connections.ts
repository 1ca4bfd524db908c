import type { ConnectionFacts, Wire } from "../listener/mod.ts";
import type { Rule } from "../route/mod.ts";
import { Connection, NO_WORDS, type Words } from "./connection.ts";
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
   * Serves an accepted connection by a rule; without one it is refused. The
   * caller gives the socket's events to `owner`, then calls `begin()`.
   */
  serve(options: {
    readonly wire: Wire;
    readonly facts: ConnectionFacts;
    readonly rule: Rule | null;
    readonly words?: Words;
    /** The connection is over. */
    readonly onClose: (connection: Connection) => void;
  }): Connection {
    const { wire, facts, rule, words = NO_WORDS, onClose } = options;
    const connection = new Connection(
      wire,
      facts,
      rule,
      {
        mesh: this.#mesh,
        recorder: this.#recorder,
        onClose: (over) => {
          this.#open.delete(over);
          onClose(over);
        },
      },
      words,
    );
    this.#open.add(connection);
    return connection;
  }

  /** Ends all of them now. */
  destroy(): void {
    for (const connection of [...this.#open]) connection.destroy();
  }
}
