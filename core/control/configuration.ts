import { type Clock, type Log, messageOf } from "../base/mod.ts";
import {
  type BoundReport,
  type Compiled,
  compile,
  type GatewayAddresses,
  isRunnable,
  type LoadedDirectory,
  loadDirectory,
  loadModules,
  type Module,
  type ModuleSources,
  type Registration,
  readBeside,
  type Watched,
  watchDirectory,
} from "../compile/mod.ts";
import { hasErrors, inOrder, type Problem } from "../config/mod.ts";
import { type Document, documentKey, isKind, parseDocuments, type SourceText } from "../schema/mod.ts";
import type { Applied } from "./applied.ts";
import type { Generations } from "./generation.ts";
import { Turns } from "./turns.ts";

/** Plugins that ship with the binary. */
export type Builtins = Pick<ModuleSources, "builtin" | "builtinNames">;

export interface ConfigurationOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Directory of manifests; null without one. */
  readonly directory: string | null;
  readonly applied: Applied;
  readonly generations: Generations;
  readonly gatewayAddresses: () => GatewayAddresses;
  /** What the proxies of a Gateway say of it. */
  readonly gatewayReports: (gateway: string) => readonly BoundReport[];
  readonly builtins: Builtins;
  readonly registrations: () => readonly Registration[];
  /** Texts of the directory that served last: for a start with a directory that is broken now. */
  readonly lastGood: {
    load(): Promise<readonly SourceText[] | null>;
    save(texts: readonly SourceText[]): Promise<void>;
  };
  /** Rules of the control plane beyond the compiler's, e.g. that the trust domain stays. */
  readonly check: (documents: readonly Document[]) => readonly Problem[];
  /** The documents as they are to be compiled: a rollout has weights of its own. */
  readonly shape: (documents: readonly Document[]) => readonly Document[];
  /** What runs has changed. */
  readonly changed: () => void;
  /** The directory was tried: so many errors were found. */
  readonly tried: (errors: number) => void;
}

/** Documents with the modules they need: a whole that can run. */
interface Whole {
  readonly documents: readonly Document[];
  readonly modules: ReadonlyMap<string, Module>;
}

/** Documents from outside, with the modules that came along: `file` and `path` as in the document → bytes. */
export interface Submission {
  readonly texts: readonly SourceText[];
  module(file: string, path: string): Uint8Array | null;
}

/** What became of a submission. */
export interface Outcome {
  readonly accepted: boolean;
  readonly problems: readonly Problem[];
  /** Keys of the documents it holds. */
  readonly keys: readonly string[];
}

const NOTHING: Whole = { documents: [], modules: new Map() };

/**
 * What the operators want: the documents of the directory and those applied
 * through the API. A change is tried as a whole with everything else; with an
 * error anywhere, what ran before stays, and the problems are kept for status.
 *
 * Changes are taken one after another, so that each is tried on what is there.
 */
export class Configuration {
  readonly #options: ConfigurationOptions;
  readonly #turns = new Turns();
  #directory: readonly Document[] = [];
  #whole: Whole = NOTHING;
  #problems: readonly Problem[] = [];
  #watched: Watched | null = null;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /** Problems of what was tried last from the directory; what runs may be older. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get documents(): readonly Document[] {
    return this.#whole.documents;
  }

  /** Compiles what runs. */
  compile(): Compiled {
    const { registrations, clock, shape, gatewayAddresses, gatewayReports } = this.#options;
    return compile(shape(this.#whole.documents), registrations(), {
      ...{ modules: this.#whole.modules, now: clock.now(), gatewayAddresses: gatewayAddresses(), gatewayReports },
    });
  }

  /** Reads the directory, falls back to what served last, and watches from then on. */
  async start(): Promise<void> {
    const { applied, directory, clock } = this.#options;
    await applied.load();
    if (directory === null) {
      await this.#tryDirectory([], []);
      return;
    }
    const loaded = await loadDirectory(directory);
    if (!(await this.#takeDirectory(loaded))) await this.#fallBack();
    this.#watched = watchDirectory(directory, clock, (next) => void this.#takeDirectory(next), loaded);
  }

  close(): void {
    this.#watched?.close();
  }

  /** Tries documents from outside; with `keep` they run from then on. */
  submit(submission: Submission, keep: boolean): Promise<Outcome> {
    return this.#turns.take(() => this.#submit(submission, keep));
  }

  /** Deletes an applied document, if what remains can run. */
  remove(key: string): Promise<Outcome | null> {
    return this.#turns.take(() => this.#remove(key));
  }

  /** Where a document comes from: applied ones can be deleted. */
  isApplied(document: Document): boolean {
    return this.#options.applied.isApplied(document.file);
  }

  async #takeDirectory(loaded: LoadedDirectory): Promise<boolean> {
    const { log, lastGood, directory } = this.#options;
    const taken = await this.#turns.take(() => this.#tryDirectory(loaded.documents, loaded.problems));
    if (taken) {
      const texts = loaded.files.map(({ file, text }) => ({ file, text }));
      await lastGood.save(texts).catch((error) => log.error(`Cannot keep the configuration: ${messageOf(error)}`));
    } else log.error(`Cannot take the configuration of ${directory}: the one before stays`);
    for (const { severity, file, line, column, message } of this.#problems)
      log[severity === "error" ? "error" : "warn"](message, { file, line, column });
    return taken;
  }

  /** The problems of the broken directory stay in sight. */
  async #fallBack(): Promise<void> {
    const texts = await this.#options.lastGood.load();
    const problems = this.#problems;
    const documents = texts === null ? [] : parseDocuments(texts).documents;
    await this.#turns.take(() => this.#tryDirectory(documents, []));
    this.#tell(problems);
  }

  #tell(problems: readonly Problem[]): void {
    this.#problems = problems;
    this.#options.tried(problems.filter(({ severity }) => severity === "error").length);
  }

  async #tryDirectory(documents: readonly Document[], problems: readonly Problem[]): Promise<boolean> {
    const { applied } = this.#options;
    const all = [...documents, ...applied.documents];
    const trial = await this.#try(all, [...problems, ...applied.problems.map(asWarning)], (file, path) =>
      this.#readFile(file, path),
    );
    this.#tell(trial.problems);
    if (trial.whole === null) return false;
    this.#directory = documents;
    await this.#run(trial.whole);
    return true;
  }

  async #submit(submission: Submission, keep: boolean): Promise<Outcome> {
    const { applied } = this.#options;
    const parsed = parseDocuments(submission.texts.map(({ file, text }) => ({ file: SENT + file, text })));
    const keys = new Set(parsed.documents.map(documentKey));
    const others = applied.documents.filter((document) => !keys.has(documentKey(document)));
    const all = [...this.#directory, ...others, ...parsed.documents];
    const trial = await this.#try(all, parsed.problems, (file, path) =>
      file.startsWith(SENT) ? moduleOf(submission, file, path) : this.#readFile(file, path),
    );
    if (keep && trial.whole !== null) await this.#keep(parsed.documents, trial.whole);
    return { accepted: trial.whole !== null, problems: concerning(trial.problems), keys: [...keys] };
  }

  async #remove(key: string): Promise<Outcome | null> {
    const { applied } = this.#options;
    if (!applied.has(key)) return null;
    const others = applied.documents.filter((document) => documentKey(document) !== key);
    const trial = await this.#try([...this.#directory, ...others], [], (file, path) => this.#readFile(file, path));
    if (trial.whole === null) return { accepted: false, problems: trial.problems, keys: [key] };
    await applied.delete(key);
    await this.#run(trial.whole);
    return { accepted: true, problems: [], keys: [key] };
  }

  async #keep(documents: readonly Document[], whole: Whole): Promise<void> {
    const { applied } = this.#options;
    await applied.put(documents.map((document) => [document, sentModule(document, whole)]));
    // The kept ones know themselves as applied; what was sent does not outlive the request.
    await this.#run({ documents: [...this.#directory, ...applied.documents], modules: whole.modules });
  }

  /** Tries documents as a whole: the whole, or null with the reasons among the problems. */
  async #try(
    documents: readonly Document[],
    before: readonly Problem[],
    readFile: ModuleSources["readFile"],
  ): Promise<{ readonly whole: Whole | null; readonly problems: readonly Problem[] }> {
    const { builtins, registrations, check, gatewayAddresses } = this.#options;
    const loaded = await loadModules(documents, { ...builtins, readFile });
    const compiled = compile(documents, registrations(), {
      ...{ modules: loaded.modules, gatewayAddresses: gatewayAddresses() },
    });
    const problems = inOrder([...before, ...loaded.problems, ...check(documents), ...compiled.problems]);
    const runs = isRunnable({ problems });
    return { whole: runs ? { documents, modules: loaded.modules } : null, problems };
  }

  async #run({ documents, modules }: Whole): Promise<void> {
    this.#whole = { documents: await this.#options.generations.stamp(documents), modules };
    this.#options.changed();
  }

  #readFile(file: string, path: string): Promise<Uint8Array> {
    const { applied } = this.#options;
    return applied.isApplied(file) ? applied.module(file) : readBeside(file, path);
  }
}

/** Marks the files of a submission, as no file of a directory can be called: the same name may stand there. */
const SENT = "\u0000";

/** A submitted document names files of its sender's machine, never of this one. */
async function moduleOf(submission: Submission, file: string, path: string): Promise<Uint8Array> {
  const bytes = submission.module(file.slice(SENT.length), path);
  if (bytes === null) throw new Error("its bytes did not come with the document");
  return bytes;
}

/** The module that came along with a plugin; null for one that ships with the binary. */
function sentModule(document: Document, whole: Whole): Module | null {
  if (!isKind(document, "Plugin") || document.body.spec.source.file === undefined) return null;
  const module = whole.modules.get(documentKey(document)) ?? null;
  if (module?.source === undefined) return module;
  return { sha256: new Bun.CryptoHasher("sha256").update(module.source).digest("hex"), bytes: module.source };
}

/** The problems of what was sent; those of others where they alone are the reason of a refusal. */
function concerning(problems: readonly Problem[]): readonly Problem[] {
  const own = problems.filter((problem) => problem.file.startsWith(SENT));
  const told = hasErrors(problems) && !hasErrors(own) ? problems : own;
  return told.map(({ file, message, ...rest }) => ({
    ...rest,
    file: file.replaceAll(SENT, ""),
    message: message.replaceAll(SENT, ""),
  }));
}

function asWarning(problem: Problem): Problem {
  return { ...problem, severity: "warning" };
}
