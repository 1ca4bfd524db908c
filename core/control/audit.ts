import { appendFile, chmod } from "node:fs/promises";
import { type Clock, type Log, messageOf } from "../base/mod.ts";
import { Turns } from "./turns.ts";

/** One change that somebody made, or tried to. */
export interface AuditEntry {
  /** Name of the API token, or what else acted. */
  readonly who: string;
  readonly action: string;
  readonly target: string;
  readonly revision?: string;
}

/** The log of changes: a file of JSON lines that is only added to. */
export class Audit {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #turns = new Turns();

  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the line is written. A disk that is full is told in the process log; the change stands. */
  write(entry: AuditEntry): Promise<void> {
    const line = `${JSON.stringify({ time: new Date(this.#clock.now()).toISOString(), ...entry })}\n`;
    return this.#turns.take(async () => {
      try {
        await appendFile(this.#path, line, { mode: 0o600 });
        await chmod(this.#path, 0o600);
      } catch (error) {
        this.#log.error(`Cannot write the audit log: ${messageOf(error)}`, { path: this.#path });
      }
    });
  }
}
