import type { Clock } from "./clock.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "off"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What the process says about itself; requests go to the access log instead. Secrets are never fields. */
export interface Log {
  level: LogLevel;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with fields that every line carries. */
  with(fields: LogFields): Log;
}

/** A log of JSON lines: time, level, message, fields. */
export function jsonLog(
  clock: Clock,
  write: (line: string) => void,
  level: LogLevel = "info",
  base: LogFields = {},
): Log {
  const emit = (at: LogLevel, message: string, fields?: LogFields): void => {
    if (LOG_LEVELS.indexOf(at) < LOG_LEVELS.indexOf(log.level)) return;
    write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), level: at, message, ...base, ...fields })}\n`);
  };
  const log: Log = {
    level,
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
    with: (fields) => jsonLog(clock, write, log.level, { ...base, ...fields }),
  };
  return log;
}

/** A log that keeps nothing. */
export const silentLog: Log = jsonLog({ now: () => 0 } as Clock, () => {}, "off");
