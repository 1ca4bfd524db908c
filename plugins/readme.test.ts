import { expect, test } from "bun:test";
import { compile, loadModules } from "../core/compile/mod.ts";
import { parseDocuments } from "../core/schema/mod.ts";
import { policyEngine } from "../test/harness/policy.ts";
import { builtin, builtinNames } from "./builtin.ts";

const SERVICES = ["web", "web-v2"].map((name) => ({
  file: `${name}.yaml`,
  text: `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: shop }, spec: { selector: { app: ${name} }, ports: [{ port: 80 }] } }`,
}));

for (const name of builtinNames()) {
  test(`the example in the README of ${name} is valid, and the policy takes its config`, async () => {
    const readme = await Bun.file(new URL(`${name}/README.md`, import.meta.url)).text();
    const text = /```yaml\n([\s\S]*?)```/.exec(readme)![1]!;
    const parsed = parseDocuments([...SERVICES, { file: `${name}/README.md`, text }]);
    const { modules, problems } = await loadModules(parsed.documents, {
      builtin,
      builtinNames: builtinNames(),
      readFile: () => Promise.reject(new Error("there is no file")),
    });
    const compiled = compile(parsed.documents, [], { modules });
    const found = compiled.resources.find(({ kind }) => kind === "plugin");

    expect([...parsed.problems, ...problems, ...compiled.problems]).toEqual([]);
    if (found?.kind !== "plugin") throw new Error("the example holds no Plugin");
    const { engine } = policyEngine();
    const loaded = await engine.prepare([found.model], async (sha256) => compiled.blobs.get(sha256)!);
    expect([...loaded.keys()]).toEqual([`shop/${name}`]);
  });
}
