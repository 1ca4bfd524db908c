import { type Clock, messageOf } from "../../base/mod.ts";
import { problemOf } from "../../config/mod.ts";
import { type Watched, watch } from "../watch/mod.ts";
import { type LoadedDirectory, loadDirectory } from "./directory.ts";

/**
 * Loads a directory anew whenever its manifests may have changed, and tells of
 * it when they have. `first` is what the caller runs already.
 */
export function watchDirectory(
  root: string,
  clock: Clock,
  onChange: (loaded: LoadedDirectory) => void,
  first: LoadedDirectory | null = null,
): Watched {
  const load = (before: LoadedDirectory | null): Promise<LoadedDirectory> =>
    loadDirectory(root, before).catch((error) => failed(root, error));
  return watch({ root, clock, load, isSame, onChange, first });
}

/** Files that were not parsed again are the very same. */
function isSame(a: LoadedDirectory, b: LoadedDirectory): boolean {
  const files = a.files.length === b.files.length && a.files.every((file, i) => file === b.files[i]);
  return files && JSON.stringify(a.problems) === JSON.stringify(b.problems);
}

function failed(root: string, error: unknown): LoadedDirectory {
  const problem = problemOf(root, `Cannot read ${root}: ${messageOf(error)}`);
  return { files: [], directories: [root], documents: [], problems: [problem] };
}
