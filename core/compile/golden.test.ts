import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inOrder, type Problem } from "../config/mod.ts";
import { parseDocuments } from "../schema/mod.ts";
import { compile, loadModules, type ModuleSources } from "./mod.ts";

const FOLDER = join(import.meta.dir, "../../test/fixtures/config");
const LINE = "----------\n";

/** Every file: what a user wrote, a line of dashes, the problems they are told. Its name is the fact. */
for (const name of readdirSync(FOLDER).sort()) {
  test(name.replace(/\.txt$/, "").replaceAll("-", " "), async () => {
    const [text = "", expected] = split(readFileSync(join(FOLDER, name), "utf8"));

    const problems = await problemsOf(text);

    expect(problems.map(lineOf).join("")).toBe(expected ?? "");
  });
}

async function problemsOf(text: string): Promise<readonly Problem[]> {
  const parsed = parseDocuments([{ file: "mesh.yaml", text }]);
  const loaded = await loadModules(parsed.documents, MODULES);
  const compiled = compile(parsed.documents, [], { modules: loaded.modules });
  return inOrder([...parsed.problems, ...loaded.problems, ...compiled.problems]);
}

const MODULES: ModuleSources = {
  builtin: (name) => (name === "known" ? { sha256: "a".repeat(64), bytes: new Uint8Array(1) } : null),
  builtinNames: ["known"],
  readFile: () => Promise.reject(new Error("there is no such file")),
};

function lineOf({ line, column, severity, message }: Problem): string {
  return `${line}:${column} ${severity}: ${message}\n`;
}

function split(content: string): readonly string[] {
  const at = content.lastIndexOf(LINE);
  return [content.slice(0, at), content.slice(at + LINE.length)];
}
