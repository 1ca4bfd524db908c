import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf } from "../../base/mod.ts";
import type { Problem } from "../../config/mod.ts";
import { type Document, type DocumentOf, documentKey, isKind } from "../../schema/mod.ts";
import type { Module } from "../model.ts";
import { Report } from "../report.ts";
import { readPacked } from "./extism.ts";

/** Where the modules of plugins come from. */
export interface ModuleSources {
  /** The module that ships under a name; null without one. */
  builtin(name: string): Promise<Module | null> | Module | null;
  /** Names that `builtin` knows, for messages. */
  readonly builtinNames: readonly string[];
  /** Bytes of `source.file` of a document; rejects with the reason. `readBeside` where the document is a file of this machine. */
  readFile(documentFile: string, path: string): Promise<Uint8Array>;
}

export interface LoadedModules {
  /** By document key, for `compile`. */
  readonly modules: ReadonlyMap<string, Module>;
  readonly problems: readonly Problem[];
}

/** Gets the module of every plugin and checks it against the hash its author wrote. */
export async function loadModules(documents: readonly Document[], sources: ModuleSources): Promise<LoadedModules> {
  const report = new Report();
  const plugins = documents.filter((document) => isKind(document, "Plugin"));
  const loaded = await Promise.all(plugins.map((plugin) => loadModule(plugin, sources, report)));
  const modules = new Map<string, Module>();
  for (const [i, plugin] of plugins.entries()) {
    const module = loaded[i];
    if (module) modules.set(documentKey(plugin), module);
  }
  return { modules, problems: report.all() };
}

async function loadModule(
  plugin: DocumentOf<"Plugin">,
  sources: ModuleSources,
  report: Report,
): Promise<Module | null> {
  const module = await fetchModule(plugin, sources, report);
  const { sha256 } = plugin.body.spec;
  if (module === null || sha256 === undefined || sha256 === module.sha256) return module;
  const message = `must be the SHA-256 of the module: the module has ${module.sha256}`;
  report.error(plugin, ["spec", "sha256"], message, { found: sha256, expected: module.sha256 });
  return null;
}

async function fetchModule(
  plugin: DocumentOf<"Plugin">,
  sources: ModuleSources,
  report: Report,
): Promise<Module | null> {
  const { builtin, file } = plugin.body.spec.source;
  if (builtin !== undefined) {
    const module = await sources.builtin(builtin);
    const expected = sources.builtinNames.join(", ") || "none";
    const message = `must name a plugin that ships with mesh (${expected}): there is no "${builtin}"`;
    if (module === null) report.error(plugin, ["spec", "source", "builtin"], message, { found: builtin, expected });
    return module;
  }
  try {
    return await readPacked(file ?? "", (path) => sources.readFile(plugin.file, path));
  } catch (error) {
    const message = `must be a module that can be read: ${messageOf(error)}`;
    report.error(plugin, ["spec", "source", "file"], message, { found: file ?? "" });
    return null;
  }
}

/** No plugin is larger: it travels to every proxy that runs it. */
const MAX_MODULE_BYTES = 16 * 1024 * 1024;

/**
 * Reads a file named relative to another one.
 *
 * @throws {Error} when it is not there, not a file, or larger than a plugin may be.
 */
export async function readBeside(file: string, path: string): Promise<Uint8Array> {
  const handle = await open(resolve(dirname(file), path));
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Error(`Cannot read ${path}: it is not a file`);
    if (stat.size > MAX_MODULE_BYTES)
      throw new Error(`Cannot read ${path}: ${stat.size} bytes are more than ${MAX_MODULE_BYTES}`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
