import { expect, test } from "bun:test";
import { childCompiler } from "./child.ts";
import { encodeCompiled } from "./message.ts";

test("a directory is compiled by the command with the directory behind it", async () => {
  const compiled = { resources: [], blobs: new Map([["a", Uint8Array.of(1, 10)]]), problems: [] };
  const bytes = Buffer.from(encodeCompiled(compiled)).toString("base64");

  const result = await childCompiler(["sh", "-c", `test "$0" = /manifests && echo ${bytes} | base64 -d`])("/manifests");

  expect(result).toEqual(compiled);
});

test("a command that fails is told with what it said", async () => {
  const compile = childCompiler(["sh", "-c", "echo no memory >&2; exit 3"]);

  await expect(compile("/manifests")).rejects.toThrow("Cannot compile /manifests: no memory");
});

test("a command that is killed, or says half of it, is told too", async () => {
  await expect(childCompiler(["sh", "-c", "kill -9 $$"])("/m")).rejects.toThrow("Cannot compile /m: exit code 137");
  await expect(childCompiler(["echo", "{"])("/m")).rejects.toThrow("Cannot read what compiling /m gave");
});

test("a command that is not there is told", async () => {
  await expect(childCompiler(["/nowhere/mesh"])("/m")).rejects.toThrow("Cannot start the process that compiles");
});
