import type { Clock, Log } from "../base/mod.ts";
import { MeshError, messageOf } from "../base/mod.ts";
import type { LoadedDirectory } from "../compile/mod.ts";
import type { Problem } from "../config/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";

/** The manifests cannot be run. */
export class ManifestsRefused extends MeshError {
  override readonly name = "ManifestsRefused";
  readonly code = "MESH_MANIFESTS_REFUSED";
  readonly source = "mesh";
  readonly problems: readonly Problem[];

  constructor(directory: string, problems: readonly Problem[]) {
    super(
      `Cannot run the manifests of "${directory}": ${problems.length} problems; "mesh validate ${directory}" lists them`,
    );
    this.problems = problems;
  }
}

/** Configuration from files, without a control plane. */
export interface FileSource {
  readonly revision: string;
  blob(sha256: string): Promise<Uint8Array>;
  close(): void;
}

export interface FileOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly apply: (model: SnapshotModel) => Promise<void>;
}

/**
 * Compiles a directory with the control plane's code, applies it, and again
 * whenever it changes. A bad change is logged and the one before serves on.
 *
 * @throws {ManifestsRefused} when the first state of the directory cannot run.
 */
export async function startFiles(options: FileOptions): Promise<FileSource> {
  const files = new Files(options);
  await files.start();
  return files;
}

class Files implements FileSource {
  revision = "";
  readonly #options: FileOptions;
  #blobs: ReadonlyMap<string, Uint8Array> = new Map();
  #sequence = 0;
  #watched: { close(): void } | null = null;

  constructor(options: FileOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { directory, clock } = this.#options;
    const { loadDirectory, watchDirectory } = await import("../compile/mod.ts");
    const first = await loadDirectory(directory);
    await this.#run(first);
    this.#watched = watchDirectory(directory, clock, (loaded) => void this.#change(loaded), first);
  }

  async #run(loaded: LoadedDirectory): Promise<void> {
    const { compile, hasErrors, loadModules, readBeside } = await compiler();
    const { builtin, builtinNames } = await import("../../plugins/builtin.ts");
    const { modules, problems } = await loadModules(loaded.documents, {
      builtin,
      builtinNames: builtinNames(),
      readFile: readBeside,
    });
    const compiled = compile(loaded.documents, [], { modules, now: this.#options.clock.now() });
    const all = [...loaded.problems, ...problems, ...compiled.problems];
    if (hasErrors(all)) throw new ManifestsRefused(this.#options.directory, all);
    const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(compiled.resources)).digest("hex").slice(0, 8);
    const before = this.#blobs;
    // The engine asks for new modules while the snapshot is being applied.
    this.#blobs = new Map([...before, ...compiled.blobs]);
    const revision = `${this.#sequence + 1}-${hash}`;
    await this.#options.apply({ revision, resources: compiled.resources });
    this.#blobs = compiled.blobs;
    this.#sequence++;
    this.revision = revision;
  }

  async #change(loaded: LoadedDirectory): Promise<void> {
    const { log } = this.#options;
    const before = this.revision;
    try {
      await this.#run(loaded);
      log.info("configuration reloaded", { revision: this.revision, before });
    } catch (error) {
      log.error("configuration refused, the one before serves on", { revision: before, reason: messageOf(error) });
      if (error instanceof ManifestsRefused)
        for (const problem of error.problems) log.error(problem.message, { ...place(problem) });
    }
  }

  async blob(sha256: string): Promise<Uint8Array> {
    const bytes = this.#blobs.get(sha256);
    if (bytes === undefined) throw new ManifestsRefused(this.#options.directory, []);
    return bytes;
  }

  close(): void {
    this.#watched?.close();
  }
}

function place({ file, line, column, path }: Problem) {
  return { file, line, column, path };
}

/** The compiler and its libraries, which a proxy beside a control plane never loads. */
async function compiler() {
  const { compile, loadModules, readBeside } = await import("../compile/mod.ts");
  const { hasErrors } = await import("../config/mod.ts");
  return { compile, loadModules, readBeside, hasErrors };
}
