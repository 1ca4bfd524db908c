import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { compileEdits, type HeaderEdits } from "./edits.ts";
import type { HeaderEditsModel, MatchModel } from "./model.ts";
import { PathScan } from "./path.ts";
import { Router } from "./router.ts";

// The cases of the Gateway API conformance suite against the routes of their manifests.

interface Case {
  readonly id: string;
  readonly test: string;
  readonly case: {
    readonly Backend?: string;
    readonly Request: Sent;
    readonly Response?: { readonly StatusCode: number };
    readonly ExpectedRequest?: { readonly Request?: Sent; readonly AbsentHeaders?: readonly string[] };
  };
}

interface Sent {
  readonly Path: string;
  readonly Headers?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly spec: {
    readonly rules: readonly {
      readonly matches: readonly Partial<MatchModel>[];
      readonly filters?: readonly { readonly requestHeaderModifier: HeaderEditsModel }[];
      readonly backendRefs: readonly { readonly name: string }[];
    }[];
  };
}

interface Found {
  readonly backend: string;
  readonly edits: HeaderEdits | null;
}

const FOLDER = new URL("../../test/fixtures/vectors/gateway-api/", import.meta.url).pathname;
const MANIFESTS: Readonly<Record<string, string>> = {
  HTTPRouteMatching: "manifests/tests/httproute-matching.yaml",
  HTTPRouteExactPathMatching: "manifests/tests/httproute-exact-path-matching.yaml",
  HTTPRouteRequestHeaderModifier: "manifests/tests/httproute-request-header-modifier.yaml",
};
const CASES = (await Bun.file(`${FOLDER}sample-cases.jsonl`).text())
  .trim()
  .split("\n")
  .map((line): Case => JSON.parse(line))
  .filter(({ test }) => test in MANIFESTS);

test.each(CASES.map((each) => [each.id, each] as const))("%s", async (_, { test: name, case: expected }) => {
  const router = routerOf(Bun.YAML.parse(await Bun.file(FOLDER + MANIFESTS[name]).text()) as Manifest);
  const sent = Object.entries(expected.Request.Headers ?? {});
  const head = requestHead({ target: expected.Request.Path, headers: sent });

  const found = router.match(head);

  expect(found?.backend).toBe(expected.Backend);
  expect(found === null).toBe(expected.Response?.StatusCode === 404);
  const seen = headersBehind(head, sent, found?.edits ?? null);
  for (const [key, value] of Object.entries(expected.ExpectedRequest?.Request?.Headers ?? {}))
    expect([key, seen.get(key.toLowerCase())]).toEqual([key, value]);
  for (const key of expected.ExpectedRequest?.AbsentHeaders ?? []) expect(seen.has(key.toLowerCase())).toBe(false);
});

/** What the backend reads, repeated headers joined. */
function headersBehind(
  head: ReturnType<typeof requestHead>,
  sent: readonly (readonly [string, string])[],
  edits: HeaderEdits | null,
): ReadonlyMap<string, string> {
  const kept = sent.filter((_, i) => edits === null || !edits.drops(head, i));
  const seen = new Map<string, string>();
  for (const [name, value] of [...kept, ...(edits?.added ?? []).map((line) => [line.name, line.value] as const)]) {
    const key = name.toLowerCase();
    seen.set(key, seen.has(key) ? `${seen.get(key)},${value}` : value);
  }
  return seen;
}

function routerOf(manifest: Manifest): Router<Found> {
  const matches = manifest.spec.rules.flatMap((rule, ruleIndex) => {
    const value = {
      backend: rule.backendRefs[0]!.name,
      edits: compileEdits(...(rule.filters ?? []).map((filter) => filter.requestHeaderModifier)),
    };
    return rule.matches.map((match) => ({ match: withDefaults(match), order: 0, ruleIndex, value }));
  });
  return new Router(matches, new PathScan(1));
}

/** The defaults of HTTPRouteMatch, which the compiler writes into models. */
function withDefaults(match: Partial<MatchModel>): MatchModel {
  return {
    ...match,
    path: match.path ?? { type: "PathPrefix", value: "/" },
    headers: (match.headers ?? []).map((header) => ({ ...header, type: "Exact" })),
  };
}
