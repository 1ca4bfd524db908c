import { readFileSync } from "node:fs";
import { messageOf } from "../core/base/mod.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
};

/**
 * Reads a text that a flag names.
 *
 * @throws {Error} that says what the file was for and why it could not be read.
 */
export function readText(file: string, purpose: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    throw new Error(`Cannot read ${purpose} in "${file}": ${REASONS[code] ?? messageOf(cause)}`, { cause });
  }
}
