import { join } from "node:path";
import { ApiRefused } from "../../../core/control/client/mod.ts";
import { type Manifest, manifestsIn } from "./manifest.ts";
import type { Step } from "./steps/model.ts";
import { runStep } from "./steps/run.ts";
import { loadSamples } from "./vectors.ts";
import { referencesTo, VECTORS, type World } from "./world.ts";

/** A test of the Gateway API conformance suite by its name, with manifests and steps. */
export interface SuiteTest {
  readonly name: string;
  readonly level: "core" | "extended";
  readonly features: readonly string[];
  readonly profiles: readonly string[];
  /** Why it does not apply to this implementation; null where it does. */
  readonly excepted: string | null;
  readonly isWritten: boolean;
  /** Texts of manifests, with placeholders. */
  readonly manifests: readonly string[];
  /** Steps of the samples; those of a file come as text, for their placeholders. */
  readonly steps: readonly Step[];
  readonly script: string;
}

/** One line of all-tests.jsonl. */
interface Listed {
  readonly test: string;
  readonly level: "core" | "extended";
  readonly features: readonly string[];
  readonly profiles: readonly string[];
}

/** What a test's file says beside its manifests. */
interface Script extends Partial<Manifest> {
  /** A test whose premise is a feature we do have. */
  readonly excepted?: string;
  readonly steps?: readonly Step[];
}

/** All tests that the suite knows, in its order. */
export async function loadSuite(): Promise<readonly SuiteTest[]> {
  const samples = await loadSamples();
  const listed = (await Bun.file(join(VECTORS, "all-tests.jsonl")).text()).trim().split("\n");
  return await Promise.all(
    listed.map(async (line): Promise<SuiteTest> => {
      const { test: name, level, features, profiles } = JSON.parse(line) as Listed;
      const sample = samples.get(name);
      const file = Bun.file(join(import.meta.dir, "tests", `${name}.yaml`));
      const script = (await file.exists()) ? await file.text() : "";
      const manifests = await Promise.all(
        (sample?.manifests ?? []).map((each) => Bun.file(join(VECTORS, "manifests", each)).text()),
      );
      const excepted = scriptsIn(script, () => "")[0]?.excepted ?? null;
      const isWritten = sample !== undefined || script !== "";
      return { name, level, features, profiles, excepted, isWritten, manifests, steps: sample?.steps ?? [], script };
    }),
  );
}

function documentsIn(text: string, fill: (name: string) => string): readonly Script[] {
  return manifestsIn(text, fill) as readonly Script[];
}

function scriptsIn(text: string, fill: (name: string) => string): readonly Script[] {
  return documentsIn(text, fill).filter(({ apiVersion }) => apiVersion === undefined);
}

/** Gateways of the base manifests, which many tests attach routes to. */
const SHARED = /\b(same-namespace|all-namespaces|backend-namespaces)\b/;
const BYTES = ["TCPRoute", "UDPRoute", "TLSRoute"];
export const LANES = ["base", "own", "bytes", "mesh"] as const;
export type Lane = (typeof LANES)[number];

/** Tests of one lane change the same things and run one after another; lanes run beside each other. */
export function laneOf({ features, manifests, script, steps }: SuiteTest): Lane {
  if (features.includes("Mesh")) return "mesh";
  if (SHARED.test([...manifests, script, JSON.stringify(steps)].join())) return "base";
  return features.some((feature) => BYTES.includes(feature)) ? "bytes" : "own";
}

/** What a test applies at its start, for those who must know before. */
export function documentsOf({ manifests, script }: SuiteTest): readonly string[] {
  const texts = [...manifests, script].flatMap((text) => documentsIn(text, () => ""));
  const own = texts.filter((each): each is Manifest => each.apiVersion !== undefined);
  return own.map(({ kind, metadata }) => `${kind}/${metadata.namespace}/${metadata.name}`);
}

/** How long a test waits for what it expects. */
export const PATIENCE_MS = 5000;

/** Runs a test and takes its documents away again. @throws what is wrong, as one line */
export async function runTest(world: World, test: SuiteTest, patienceMs: number = PATIENCE_MS): Promise<void> {
  const manifests = [...test.manifests, test.script]
    .flatMap((text) => documentsIn(text, world.fill))
    .filter((each): each is Manifest => each.apiVersion !== undefined);
  const scripted = scriptsIn(test.script, world.fill).flatMap(({ steps }) => steps ?? []);
  const applied: Manifest[] = [...manifests];
  try {
    if (manifests.length > 0) await world.apply(manifests);
    for (const step of [...test.steps, ...scripted]) await runStep(world, step, applied, patienceMs);
  } catch (error) {
    throw error instanceof ApiRefused ? new Error(`${error.message}: ${problemsOf(error)}`) : error;
  } finally {
    await clear(world, applied);
  }
}

function problemsOf({ problems }: ApiRefused): string {
  return problems.map(({ path, message }) => `${path} ${message}`).join("; ");
}

/** A test may have deleted some itself, or never got so far. */
async function clear(world: World, applied: readonly Manifest[]): Promise<void> {
  const rows = await world.client.resources();
  const there = new Set(rows.map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`));
  const wanted = referencesTo([...world.cluster.slices(applied), ...applied] as Manifest[]);
  const distinct = new Map(wanted.map((each) => [`${each.kind}/${each.namespace}/${each.name}`, each]));
  await world.delete(
    [...distinct].filter(([key]) => there.has(key)).map(([, reference]) => reference),
    false,
  );
}
