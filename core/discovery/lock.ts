import { readFileSync } from "node:fs";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MeshError } from "../base/mod.ts";

/** Another live process keeps its state there: two would renew one identity and overwrite each other's files. */
export class DirectoryInUse extends MeshError {
  override readonly name = "DirectoryInUse";
  readonly code = "MESH_DIRECTORY_IN_USE";
  readonly source = "mesh";

  constructor(directory: string, pid: string) {
    super(
      `Cannot use the data directory "${directory}": process ${pid} is using it; give every proxy a --data of its own`,
    );
  }
}

const LOCK_FILE = "lock";

/**
 * Takes a directory for this process. The lock of a process that has died is
 * taken over. Returns what gives the directory free.
 *
 * @throws {DirectoryInUse}
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, LOCK_FILE);
  const own = holderOf(String(process.pid));
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, own, { mode: 0o600 });
  try {
    // A link is there whole or not at all, and is refused where another one is.
    while (!(await linked(draft, path))) await removeStale(directory, path);
  } finally {
    await rm(draft, { force: true });
  }
  return async () => {
    if ((await contentOf(path)) === own) await rm(path, { force: true });
  };
}

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function removeStale(directory: string, path: string): Promise<void> {
  const holder = await contentOf(path);
  if (holder === null) return;
  const [pid = ""] = holder.split(" ");
  if (holder !== "" && holderOf(pid) === holder) throw new DirectoryInUse(directory, pid);
  await rm(path, { force: true });
}

async function contentOf(path: string): Promise<string | null> {
  return await readFile(path, "utf8").catch(() => null);
}

/** A process with the time of its start: numbers are given again, in a container the same one at every start. */
function holderOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${Number(pid)}/stat`, "latin1");
    // Behind the name, which may hold anything but ends with the last parenthesis: field 22 of proc(5).
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return "";
  }
}
