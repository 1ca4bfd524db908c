import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { binaryPath, type Program, startBinary } from "./binary.ts";
import { eventually, within } from "./eventually.ts";
import { type Folder, temporaryFolder } from "./folder.ts";
import { type Namespace, networkNamespace } from "./namespace.ts";

const ROOT = join(import.meta.dir, "..", "..");

/** A command of a README, and what it said. */
export interface Step {
  readonly command: string;
  readonly stdout: string;
}

/** Verbs that go on until they are ended; a reader gives each a terminal of its own. */
const GOES_ON = /^mesh (control|run|proxy|sample-app)\b/;

/**
 * Does what a README says: every line of its `sh` blocks, in order, at the
 * ports it names, in a network and a folder of its own. Returns what the
 * commands said that end by themselves.
 */
export async function follow(readme: string): Promise<readonly Step[]> {
  await using place = await somewhere();
  const running: Program[] = [];
  const steps: Step[] = [];
  try {
    for (const command of commandsOf(await Bun.file(join(ROOT, readme)).text())) {
      if (GOES_ON.test(command)) {
        // In the place of its shell, so that it is the one that is ended.
        running.push(await start(place, `exec ${command}`));
        await serves(command, running.at(-1)!);
      } else {
        if (steps.length === 0) await settle(place, running.length);
        steps.push({ command, stdout: await run(place, command) });
      }
    }
    return steps;
  } finally {
    // In order, the last first: what is killed leaves the app it runs behind, with our end of its pipes.
    for (const program of running.reverse()) await end(program);
  }
}

/** The lines of all `sh` blocks. */
export function commandsOf(markdown: string): readonly string[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
  return blocks.flatMap((block) => block.split("\n")).filter((line) => line !== "");
}

interface Place extends AsyncDisposable {
  readonly network: Namespace;
  readonly folder: Folder;
  readonly env: Readonly<Record<string, string>>;
}

/** Where nothing is taken and nothing is left behind, with the examples and the binary at hand. */
async function somewhere(): Promise<Place> {
  const binary = await binaryPath();
  const network = await networkNamespace();
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, "state"));
  symlinkSync(join(ROOT, "examples"), join(folder.path, "examples"));
  const env = { PATH: `${dirname(binary)}:${process.env["PATH"]}`, XDG_STATE_HOME: join(folder.path, "state") };
  return {
    ...{ network, folder, env },
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function start({ network, folder, env }: Place, line: string): Promise<Program> {
  return startBinary([line], { command: ["bash", "-c"], prefix: network.prefix, cwd: folder.path, env });
}

/** Waits until a program that goes on says that it serves. */
async function serves(command: string, program: Program): Promise<void> {
  const says = new RegExp(command.startsWith("mesh sample-app") ? "serves on" : "^mesh \\w+ serves", "m");
  await eventually(() => {
    if (says.test(program.stdout)) return true;
    throw new Error(`Cannot start "${command}": it does not serve: ${program.stderr}`);
  }, 20_000);
}

async function end(program: Program): Promise<void> {
  program.kill("SIGTERM");
  await within("a program of the README to end", program.exited, 20_000);
}

async function run(place: Place, line: string): Promise<string> {
  await using program = await start(place, `set -o pipefail; ${line}`);
  const code = await within(`"${line}" to end`, program.exited, 30_000);
  if (code !== 0) throw new Error(`Cannot run "${line}": it ended with ${code}: ${program.stderr}`);
  return program.stdout;
}

interface Service {
  readonly ports: readonly { readonly endpoints: readonly { readonly weight: number }[] }[];
}

/** A reader is slower than news: waits until every proxy runs the newest revision. */
async function settle(place: Place, started: number): Promise<void> {
  if (!(await Bun.file(join(place.folder.path, "data", "admin.token")).exists())) return;
  await eventually(async () => {
    const services = JSON.parse(await run(place, "mesh get endpoints -A -o json")) as readonly Service[];
    const endpoints = services.flatMap(({ ports }) => ports.flatMap((port) => port.endpoints));
    const { control, proxies } = JSON.parse(await run(place, "mesh status -o json"));
    const current = proxies.filter((proxy: { revisionAcked: string }) => proxy.revisionAcked === control.revision);
    // An instance is known before it may be called: until then its weight is 0.
    return current.length === started - 1 && endpoints.every(({ weight }) => weight > 0);
  }, 20_000);
}
