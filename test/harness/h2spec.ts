import { join } from "node:path";
import { temporaryFolder } from "./folder.ts";
import { lacking } from "./program.ts";

/** Fetched as a Go module at this version, and built: its source is not ours to keep. */
const MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

export interface H2spec {
  /** Ids of the tests that a server fails in strict mode, e.g. "http2/3.5/2", and how many were run. */
  run(port: number, tls: boolean): Promise<{ readonly tests: number; readonly failed: readonly string[] }>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The suite, or why it cannot be had here. */
export async function buildH2spec(): Promise<H2spec | string> {
  const missing = lacking({ programs: ["go"] });
  if (missing !== null) return missing;
  const folder = temporaryFolder();
  const env = { ...process.env, GOBIN: folder.path, GOFLAGS: "-mod=mod" };
  await folder.write("go.mod", "module h2spec.test\n");
  const child = Bun.spawn(["go", "install", MODULE], { cwd: folder.path, env, stdout: "ignore", stderr: "ignore" });
  if ((await child.exited) !== 0) return "the Go module cannot be fetched";
  return {
    run: (port, tls) => run(folder.path, port, tls),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function run(folder: string, port: number, tls: boolean) {
  const report = join(folder, `report-${port}.xml`);
  const flags = [
    "--strict",
    "-o",
    "2",
    "-h",
    "127.0.0.1",
    "-p",
    String(port),
    "-j",
    report,
    ...(tls ? ["-t", "-k"] : []),
  ];
  await Bun.spawn([join(folder, "h2spec"), ...flags], { stdout: "ignore", stderr: "ignore" }).exited;
  const xml = await Bun.file(report).text();
  const failed: string[] = [];
  let tests = 0;
  for (const [, section, body] of xml.matchAll(/<testsuite [^>]*package="([^"]*)"[^>]*>(.*?)<\/testsuite>/gs)) {
    for (const [i, found] of [...body!.matchAll(/<testcase\b.*?<\/testcase>/gs)].entries()) {
      tests++;
      if (/<(failure|error)\b/.test(found[0])) failed.push(`${section}/${i + 1}`);
    }
  }
  return { tests, failed };
}
