import { jsonLog, LOG_LEVELS, type Log, type LogLevel, systemClock } from "../core/base/mod.ts";
import { choice, type Flag, withDefault } from "./flag.ts";

/** Randomness for secrets and for everything else. */
export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** How much a role that runs says of itself. */
export function logLevelFlag(): Flag<LogLevel> {
  const about = "what the process says of itself on standard error";
  return withDefault(choice(LOG_LEVELS, { hint: "LEVEL", about }), "info");
}

/** Lines of JSON on standard error: standard output belongs to what was asked for. */
export function processLog(level: LogLevel, role: string): Log {
  return jsonLog(systemClock, (line) => void process.stderr.write(line), level, { role });
}
