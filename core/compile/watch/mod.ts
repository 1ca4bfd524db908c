/**
 * Directories of manifests as the file system sees them: which files there
 * are, and that something changed. Knows nothing of what manifests say, so
 * that a process can watch without loading what reads them.
 * @module
 */
export { type DirectoryPrint, printOf } from "./print.ts";
export { cannotRead, type Scan, scanManifests } from "./scan.ts";
export { type Watchable, type Watched, type WatchOptions, watch } from "./watch.ts";
