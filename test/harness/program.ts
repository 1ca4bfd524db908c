import { test } from "bun:test";

/** Whether the tests run as root. */
export const isRoot: boolean = process.getuid?.() === 0;

/** Why a test cannot run here: a program that is not installed, or a right that is missing; null when it can. */
export function lacking(needs: { readonly programs?: readonly string[]; readonly root?: boolean }): string | null {
  if (needs.root && !isRoot) return "not root";
  const missing = (needs.programs ?? []).filter((program) => Bun.which(program, { PATH: searchPath() }) === null);
  return missing.length === 0 ? null : `no ${missing.join(", no ")}`;
}

/** `test`, or a skip whose name says why; `npm test` lists those. */
export function testUnless(reason: string | null): (name: string, body: () => Promise<void>) => void {
  return reason === null ? test : (name, body) => test.skip(`${name} (skipped: ${reason})`, body);
}

/** Output of a program that must succeed. */
export async function output(command: readonly string[], cwd?: string): Promise<string> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, PATH: searchPath() },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [text, complaint, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`Cannot run ${command.join(" ")}: it ended with ${code}: ${complaint || text}`);
  return text;
}

/** Debian keeps servers and network tools in folders that a user's PATH may lack. */
function searchPath(): string {
  return `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
}
