import { type Clock, type Log, MeshError, messageOf } from "../base/mod.ts";
import { type DirectoryPrint, printOf, type Watched, watch } from "../compile/watch/mod.ts";
import { hasErrors, type Problem } from "../config/mod.ts";
import type { Resource, SnapshotModel } from "../snapshot/mod.ts";
import type { DirectoryCompiler } from "./compiler/model.ts";

/** The manifests cannot be run. */
export class ManifestsRefused extends MeshError {
  override readonly name = "ManifestsRefused";
  readonly code = "MESH_MANIFESTS_REFUSED";
  readonly source = "mesh";
  readonly problems: readonly Problem[];

  constructor(directory: string, problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const count = errors.length === 1 ? "" : ` (1 of ${errors.length} problems)`;
    super(
      `Cannot run the manifests of "${directory}": ${problemText(errors[0])}${count}; "mesh validate ${directory}" tells all`,
    );
    this.problems = problems;
  }
}

/** A module that no manifest asks for any more, or never did. */
export class ModuleUnknown extends MeshError {
  override readonly name = "ModuleUnknown";
  readonly code = "MESH_MODULE_UNKNOWN";
  readonly source = "mesh";
}

/** Configuration from files, without a control plane. */
export interface FileSource {
  /**
   * Compiles and applies the directory, and watches it from then on.
   *
   * @throws {ManifestsRefused} when its first state cannot run.
   */
  start(): Promise<void>;
  readonly revision: string;
  blob(sha256: string): Promise<Uint8Array>;
  close(): void;
}

export interface FileOptions {
  readonly directory: string;
  readonly compile: DirectoryCompiler;
  readonly clock: Clock;
  readonly log: Log;
  readonly apply: (model: SnapshotModel) => Promise<void>;
}

/**
 * Applies what a directory compiles to, and again whenever it changes. A bad
 * change is logged and the one before serves on.
 */
export function fileSource(options: FileOptions): FileSource {
  return new Files(options);
}

class Files implements FileSource {
  revision = "";
  readonly #options: FileOptions;
  #blobs: ReadonlyMap<string, Uint8Array> = new Map();
  #sequence = 0;
  #watched: Watched | null = null;

  constructor(options: FileOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { directory, clock } = this.#options;
    // Taken before the files are read: what changes meanwhile is a change.
    const first = await printOf(directory);
    await this.#run();
    const isSame = (a: DirectoryPrint, b: DirectoryPrint): boolean => a.text === b.text;
    const onChange = (): Promise<void> => this.#change();
    this.#watched = watch({ root: directory, clock, load: () => printOf(directory), isSame, onChange, first });
  }

  /** Compiles, applies, and tells what has no effect; false where that gives what runs already. */
  async #run(): Promise<boolean> {
    const { directory, compile, apply } = this.#options;
    const { resources, blobs, problems } = await compile(directory);
    if (hasErrors(problems)) throw new ManifestsRefused(directory, problems);
    const hash = contentHash(resources);
    if (this.revision.endsWith(`-${hash}`)) return false;
    const revision = `${this.#sequence + 1}-${hash}`;
    // The engine asks for new modules while the snapshot is being applied.
    this.#blobs = new Map([...this.#blobs, ...blobs]);
    await apply({ revision, resources });
    this.#blobs = blobs;
    this.#sequence++;
    this.revision = revision;
    // What runs without effect, a listener whose certificate cannot be used for one, is told nowhere else.
    this.#tell(problems);
    return true;
  }

  #tell(problems: readonly Problem[]): void {
    const { log } = this.#options;
    for (const problem of problems)
      log[problem.severity === "error" ? "error" : "warn"](problem.message, place(problem));
  }

  async #change(): Promise<void> {
    const { log } = this.#options;
    const before = this.revision;
    try {
      if (await this.#run()) log.info("configuration reloaded", { revision: this.revision, before });
    } catch (error) {
      log.error("configuration refused, the one before serves on", { revision: before, reason: messageOf(error) });
      if (error instanceof ManifestsRefused) this.#tell(error.problems);
    }
  }

  async blob(sha256: string): Promise<Uint8Array> {
    const bytes = this.#blobs.get(sha256);
    if (bytes === undefined) throw new ModuleUnknown(`Cannot find module ${sha256}: no manifest in use names it`);
    return bytes;
  }

  close(): void {
    this.#watched?.close();
  }
}

/** First digits of the hash of what resources say: the second half of a revision. */
function contentHash(resources: readonly Resource[]): string {
  const versions = resources.map(({ kind, name, version }) => `${kind}/${name} ${version}`).join("\n");
  return new Bun.CryptoHasher("sha256").update(versions).digest("hex").slice(0, 8);
}

function place({ file, line, column, path }: Problem) {
  return { file, line, column, path };
}

function problemText(problem: Problem | undefined): string {
  if (problem === undefined) return "something is wrong with them";
  const { file, line, column, message } = problem;
  return line === 0 ? message : `${file}:${line}:${column} ${message}`;
}
