import { stat } from "node:fs/promises";
import { scanManifests } from "./scan.ts";
import type { Watchable } from "./watch.ts";

/** A directory as it stands, without a look into its files. */
export interface DirectoryPrint extends Watchable {
  /** Another text where a manifest came, went, or was written to. */
  readonly text: string;
}

/** Takes the fingerprint of a directory of manifests; of one that cannot be read too. */
export async function printOf(root: string): Promise<DirectoryPrint> {
  const { files, directories, problems } = await scanManifests(root);
  const lines = await Promise.all(files.map(printFile));
  return { directories, text: [...lines, ...problems.map(({ message }) => message)].join("\n") };
}

/** A swapped link leads to another inode; who writes to a file moves its times. */
async function printFile(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch {
    return `${path} is gone`;
  }
}
