import { expect, test } from "bun:test";
import { type Import, importsOf, readSources, type Sources, withoutComments } from "./harness/sources.ts";

/** From the roof down. A room may enter rooms of its own floor and of every floor below, by their doors. */
const FLOORS: readonly (readonly string[])[] = [
  ["app"],
  ["proxy", "control", "discovery", "admin", "dashboard"],
  ["store", "kubernetes"],
  ["compile"],
  ["snapshot"],
  ["upstream"],
  ["policy"],
  ["plugin"],
  ["route", "cluster", "schema"],
  ["http", "tcp"],
  ["listener"],
  ["identity"],
  ["config", "telemetry"],
  ["base"],
];

/** Files a proxy process loads before its first request; workers' files are found by themselves. */
const PROXY_ENTRIES = ["cmd/mesh.ts", "cmd/proxy.ts", "cmd/run.ts"];

/** Libraries that cost a proxy more memory than its own code. */
const NOT_IN_A_PROXY = ["zod", "yaml", "hono", "prom-client", "@peculiar/x509", "@extism/extism", "reflect-metadata"];

const OFF_THE_REQUEST_PATH = /^(?!core\/(listener|http|tcp|route|policy|plugin|cluster|upstream|proxy)\/)/;

/** What the house does not write, where it may all the same, and what to write instead. */
const BANS: readonly { readonly word: RegExp; readonly unless: RegExp; readonly instead: string }[] = [
  { word: /\bDate\.now\b|\bnew Date\(\)/, unless: /^core\/base\/clock\.ts$/, instead: "the Clock it is given" },
  { word: /\bperformance\.now\b/, unless: /^core\/base\/clock\.ts$/, instead: "clock.monotonic()" },
  { word: /\bsetTimeout\b/, unless: /^core\/base\/clock\.ts$/, instead: "clock.after()" },
  { word: /\bsetInterval\b/, unless: /^core\/base\/clock\.ts$/, instead: "clock.every()" },
  { word: /\bMath\.random\b/, unless: /^core\/base\/clock\.ts$/, instead: "the randomness it is given" },
  { word: /\bprocess\.env\b|\bBun\.env\b/, unless: /^cmd\//, instead: "a value that cmd/ hands down" },
  { word: /\bas Permitted\b/, unless: /^core\/policy\/permit\.ts$/, instead: "what filterRequest() returned" },
  { word: /^(export )?let /m, unless: /worker\.ts$/, instead: "state of something that is built; modules have none" },
  { word: /"node:https?2?"/, unless: OFF_THE_REQUEST_PATH, instead: "the house's own codec" },
  { word: /(?<![.\w])fetch\(/, unless: OFF_THE_REQUEST_PATH, instead: "the house's own codec" },
];

/** A path of the machine something was written on says nothing to a reader. */
const WORKPLACE = new RegExp(["", "work", ""].join("/"));

test("imports point downward", async () => {
  expect(upward(await house())).toEqual([]);
});

test("rooms are entered by their doors", async () => {
  expect(pastTheDoor(await house())).toEqual([]);
});

test("rooms of one floor do not import each other in a circle", async () => {
  expect(circles(await house())).toEqual([]);
});

test("every room stands on a floor", async () => {
  const rooms = new Set([...(await house()).keys()].map(roomOf));

  expect([...rooms].filter((room) => room !== null && floorOf(room) < 0)).toEqual([]);
});

test("the code of the house imports nothing of its tests", async () => {
  const imports = importsIn(await house());

  expect(imports.filter(({ to }) => to.startsWith("test/") || to.endsWith(".test.ts")).map(told)).toEqual([]);
});

test("time, randomness, environment and permits come from where the house keeps them", async () => {
  expect(banned(await house())).toEqual([]);
});

test("tests wait for conditions, and for no time", async () => {
  const tests = await readSources(["{cmd,core,plugins,test}/**/*.test.ts"]);
  const sleepers = [...tests].filter(([, text]) => /\bBun\.sleep\(\d*[1-9]|\bsetTimeout\(/.test(withoutComments(text)));

  expect(sleepers.map(([path]) => path)).toEqual([]);
});

test("a proxy starts without the libraries of the control plane", async () => {
  const sources = await house();

  expect(heavyInProxy(sources, [...PROXY_ENTRIES, ...workers(sources)])).toEqual([]);
});

test("no file names the machine it was written on", async () => {
  const everything = await readSources([
    "{cmd,core,plugins,examples,test,scripts,.ci}/**/*.{ts,mjs,json,yaml,md,sh,lua,txt,html,rs,toml}",
    ".ci/*",
    "*",
  ]);

  // Where the checkout is one of several, ".git" is a file that says where the others are.
  const ours = [...everything].filter(([path]) => path !== ".git" && !path.includes("node_modules"));
  const named = ours.filter(([, text]) => WORKPLACE.test(text));

  expect(named.map(([path]) => path)).toEqual([]);
});

test("the rules above see a house that breaks them", () => {
  const broken: Sources = new Map([
    ["core/base/up.ts", 'import { a } from "../route/mod.ts";'],
    ["core/proxy/window.ts", 'import type { B } from "../http/head.ts";'],
    ["core/route/one.ts", 'export {\n  c,\n} from "../cluster/mod.ts";'],
    ["core/cluster/two.ts", 'import "../route/mod.ts";'],
    ["core/http/clock.ts", "// Date.now() is fine here\nconst t = Date.now();\nawait fetch(url);"],
    ["core/control/ok.ts", "await fetch(url);"],
    ["cmd/proxy.ts", 'import { serve } from "../core/proxy/mod.ts";\nconst x = await import("yaml");'],
    ["core/proxy/mod.ts", 'export { parse } from "./parse.ts";'],
    ["core/proxy/parse.ts", 'import type { Y } from "yaml";\nimport { z } from "zod/v4";'],
  ]);

  expect(upward(broken)).toEqual(["core/base/up.ts → core/route/mod.ts"]);
  expect(pastTheDoor(broken)).toEqual(["core/proxy/window.ts → core/http/head.ts"]);
  expect(circles(broken)).toEqual(["cluster → route → cluster"]);
  expect(banned(broken)).toEqual([
    'core/http/clock.ts: "Date.now": use the Clock it is given',
    'core/http/clock.ts: "fetch(": use the house\'s own codec',
  ]);
  expect(heavyInProxy(broken, ["cmd/proxy.ts"])).toEqual(["core/proxy/parse.ts → zod/v4"]);
});

async function house(): Promise<Sources> {
  const all = await readSources(["{cmd,core}/**/*.ts"]);
  return new Map([...all].filter(([path]) => !path.endsWith(".test.ts")));
}

function importsIn(sources: Sources): Import[] {
  return [...sources].flatMap(([path, text]) => importsOf(path, text));
}

function told({ from, to }: Import): string {
  return `${from} → ${to}`;
}

/** The room a path lies in; null outside core. */
function roomOf(path: string): string | null {
  return /^core\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room));
}

/** Imports that climb: to a floor above, or out of core into cmd. */
function upward(sources: Sources): string[] {
  return importsIn(sources)
    .filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      if (here === null) return false;
      return to.startsWith("cmd/") || (there !== null && floorOf(there) < floorOf(here));
    })
    .map(told);
}

function pastTheDoor(sources: Sources): string[] {
  return importsIn(sources)
    .filter(({ from, to }) => roomOf(to) !== null && roomOf(from) !== roomOf(to) && !to.endsWith("/mod.ts"))
    .map(told);
}

/** Circles of rooms, each told once, from its first room by name. */
function circles(sources: Sources): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of importsIn(sources)) {
    const [here, there] = [roomOf(from), roomOf(to)];
    if (here && there && here !== there) next.set(here, (next.get(here) ?? new Set()).add(there));
  }
  const found = new Set<string>();
  const walk = (path: readonly string[]): void => {
    for (const room of next.get(path.at(-1)!) ?? []) {
      if (room === path[0]) found.add([...path, room].join(" → "));
      else if (room > path[0]! && !path.includes(room)) walk([...path, room]);
    }
  };
  for (const room of next.keys()) walk([room]);
  return [...found];
}

function banned(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    const code = withoutComments(text);
    for (const { word, unless, instead } of BANS) {
      const hit = word.exec(code);
      if (hit && !unless.test(path)) found.push(`${path}: "${hit[0]}": use ${instead}`);
    }
  }
  return found;
}

/** Files that are started as Workers: `new Worker(new URL("./x.ts", import.meta.url))`. */
function workers(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    [...text.matchAll(/new Worker\(\s*new URL\("\.\/([\w.-]+)"/g)].map(([, name]) => path.replace(/[^/]+$/, name!)),
  );
}

/** Heavy libraries that are loaded before an entry's first line runs, with the file that asks for each. */
function heavyInProxy(sources: Sources, entries: readonly string[]): string[] {
  const seen = new Set<string>();
  const found: string[] = [];
  const visit = (path: string): void => {
    if (seen.has(path) || !sources.has(path)) return;
    seen.add(path);
    for (const step of importsOf(path, sources.get(path)!).filter(({ atStart }) => atStart)) {
      if (NOT_IN_A_PROXY.some((name) => step.to === name || step.to.startsWith(`${name}/`))) found.push(told(step));
      else visit(step.to);
    }
  };
  for (const entry of entries) visit(entry);
  return found;
}
