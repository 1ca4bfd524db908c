import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { MeshError } from "../base/mod.ts";
import { pollWritable } from "./poll.ts";

/** Where the lines of a log go. Nothing here waits for a reader, and nothing but opening throws. */
export interface LogSink {
  /** Takes what it can of the whole lines in `bytes[start, end)` and says how many bytes that was. */
  write(bytes: Buffer, start: number, end: number): number;
  /** Opens a file anew, after it was moved away. Keeps the old one where that fails, and says so by throwing. */
  reopen(): void;
  close(): void;
}

/**
 * Opens what the operator named: "stdout", "stderr", or the path of a file.
 *
 * @throws {LogFileUnusable} when the file cannot be opened.
 */
export function openLogSink(target: string): LogSink {
  const isWritable = pollWritable();
  if (target === "stdout") return descriptorSink(1, isWritable);
  if (target === "stderr") return descriptorSink(2, isWritable);
  return fileSink(target, isWritable);
}

/** Says without waiting whether a write of up to `PIPE_CHUNK` bytes to a descriptor would be taken at once. */
export type IsWritable = (fd: number) => boolean;

/**
 * POSIX's PIPE_BUF on Linux: poll() calls a pipe writable when this much fits,
 * and a write of no more is not mixed with another writer's (the other workers
 * write to the same pipe).
 */
const PIPE_CHUNK = 4096;
const NEWLINE = 0x0a;

/** A sink for a descriptor that is open already: 1 or 2. It is left open at the end. */
export function descriptorSink(fd: number, isWritable: IsWritable): LogSink {
  return { write: writerTo(fd, isWritable), reopen: () => {}, close: () => {} };
}

/**
 * A sink that appends to a file (or a named pipe that somebody reads).
 *
 * @throws {LogFileUnusable} when it cannot be opened.
 */
export function fileSink(path: string, isWritable: IsWritable): LogSink {
  let fd = openLog(path);
  let write = writerTo(fd, isWritable);
  return {
    write: (bytes, start, end) => write(bytes, start, end),
    reopen() {
      const next = openLog(path);
      closeSync(fd);
      fd = next;
      write = writerTo(fd, isWritable);
    },
    close: () => closeSync(fd),
  };
}

/** The access log's file cannot be opened. */
export class LogFileUnusable extends MeshError {
  override readonly name = "LogFileUnusable";
  readonly code = "MESH_LOG_FILE_UNUSABLE";
  readonly source = "mesh";

  constructor(path: string, cause: unknown) {
    super(`Cannot open log file "${path}": ${(cause as Error).message}`, { cause });
  }
}

/** Not blocking, or a named pipe without a reader would hold up the start. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

function openLog(path: string): number {
  try {
    return openSync(path, APPEND, 0o640);
  } catch (cause) {
    throw new LogFileUnusable(path, cause);
  }
}

/** A file takes everything at once. For the rest, ask before each piece: descriptors 1 and 2 may block. */
function writerTo(fd: number, isWritable: IsWritable): LogSink["write"] {
  if (isFile(fd)) return (bytes, start, end) => tryWrite(fd, bytes, start, end);
  return (bytes, start, end) => {
    let at = start;
    while (at < end && isWritable(fd)) {
      const pieceEnd = endOfPiece(bytes, at, end);
      const taken = tryWrite(fd, bytes, at, pieceEnd);
      at += taken;
      if (at < pieceEnd) break;
    }
    return at - start;
  };
}

/** As many whole lines as fit into a piece; a line longer than that goes piece by piece. */
function endOfPiece(bytes: Buffer, start: number, end: number): number {
  if (end - start <= PIPE_CHUNK) return end;
  const lastLine = bytes.lastIndexOf(NEWLINE, start + PIPE_CHUNK - 1);
  return lastLine >= start ? lastLine + 1 : start + PIPE_CHUNK;
}

/** 0 where nothing was taken, whatever the reason: full for now, disk full, reader gone. */
function tryWrite(fd: number, bytes: Buffer, start: number, end: number): number {
  try {
    return writeSync(fd, bytes, start, end - start);
  } catch {
    return 0;
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
