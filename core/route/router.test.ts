import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import type { MatchModel } from "./model.ts";
import { PathScan } from "./path.ts";
import { Router } from "./router.ts";

const exact = (value: string): MatchModel => ({ path: { type: "Exact", value } });
const prefix = (value: string): MatchModel => ({ path: { type: "PathPrefix", value } });

test("a prefix takes whole path elements, and its trailing slash does not count", () => {
  for (const value of ["/a", "/a/"]) {
    const router = routerOf({ rule: prefix(value) });

    expect(["/a", "/a/", "/a/b", "/a/b/c"].map((path) => found(router, path))).toEqual(Array(4).fill("rule"));
    expect(["/ab", "/", "/b/a", "/A", "//a"].map((path) => found(router, path))).toEqual(Array(5).fill(null));
  }
});

test("an exact path takes that path only", () => {
  const router = routerOf({ rule: exact("/a"), slash: exact("/b/") });

  expect(["/a", "/b/", "/a?x=1"].map((path) => found(router, path))).toEqual(["rule", "slash", "rule"]);
  expect(["/a/", "/a/b", "/b", "/A"].map((path) => found(router, path))).toEqual([null, null, null, null]);
});

test("the prefix / takes every target, also those without a path", () => {
  const router = routerOf({ rule: prefix("/"), other: prefix("/x") });

  expect(["/", "/any", "*", ""].map((path) => found(router, path))).toEqual(["rule", "rule", "rule", "rule"]);
});

test("an exact path goes before a longer list of conditions on a prefix", () => {
  const router = routerOf({
    prefix: { ...prefix("/a"), method: "GET", headers: [{ name: "x", type: "Exact", value: "1" }] },
    exact: exact("/a"),
  });

  expect(found(router, "/a", [["x", "1"]])).toBe("exact");
});

test("the longest prefix goes first, and a shorter one is asked when its conditions fail", () => {
  const router = routerOf({
    root: prefix("/"),
    short: prefix("/a"),
    long: { ...prefix("/a/b"), method: "POST" },
    exact: { ...exact("/a/b/c"), method: "PUT" },
  });

  expect(router.match(requestHead({ method: "POST", target: "/a/b/c" }))).toBe("long");
  expect(router.match(requestHead({ method: "PUT", target: "/a/b/c" }))).toBe("exact");
  expect(found(router, "/a/b/c")).toBe("short");
  expect(found(router, "/b")).toBe("root");
});

test("at one path a method goes before headers, headers before parameters, then order, then the rule's place", () => {
  const header = (name: string) => ({ name, type: "Exact", value: "1" }) as const;
  const all: readonly (readonly [string, MatchModel, number, number])[] = [
    ["late", prefix("/"), 2, 0],
    ["second", prefix("/"), 1, 1],
    ["first", prefix("/"), 1, 0],
    ["query", { ...prefix("/"), query: [header("q"), header("r"), header("s")] }, 9, 0],
    ["header", { ...prefix("/"), headers: [header("a")] }, 9, 0],
    ["headers", { ...prefix("/"), headers: [header("a"), header("b")] }, 9, 0],
    ["method", { ...prefix("/"), method: "GET" }, 9, 0],
  ];
  const head = requestHead({
    target: "/?q=1&r=1&s=1",
    headers: [
      ["a", "1"],
      ["b", "1"],
    ],
  });
  const winners: (string | null)[] = [];
  for (let rest = all; rest.length > 0; rest = rest.filter(([name]) => name !== winners.at(-1))) {
    winners.push(
      new Router(
        rest.map(([value, match, order, ruleIndex]) => ({ value, match, order, ruleIndex })),
        new PathScan(1),
      ).match(head),
    );
  }

  expect(winners).toEqual(["method", "headers", "header", "query", "first", "second", "late"]);
});

test("a header twice in a match counts once, and the first one decides", () => {
  const router = routerOf({
    twice: {
      ...prefix("/"),
      headers: [
        { name: "a", type: "Exact", value: "1" },
        { name: "A", type: "Exact", value: "2" },
      ],
    },
  });

  expect(found(router, "/", [["a", "1"]])).toBe("twice");
  expect(found(router, "/", [["a", "2"]])).toBeNull();
});

test.each([
  ["Exact", "one", [["Version", "one"]], true],
  ["Exact", "one", [["version", "ONE"]], false],
  ["Exact", "one", [["version", "one1"]], false],
  ["Exact", "one", [["version", "on"]], false],
  ["Exact", "one", [["versions", "one"]], false],
  [
    "Exact",
    "one",
    [
      ["version_", "one"],
      ["version", "one"],
    ],
    true,
  ],
  ["Exact", "", [["version", ""]], true],
  [
    "Exact",
    "one, two",
    [
      ["version", "one"],
      ["x", "y"],
      ["Version", "two"],
    ],
    true,
  ],
  [
    "Exact",
    "one",
    [
      ["version", "one"],
      ["version", "two"],
    ],
    false,
  ],
  [
    "Exact",
    "one, ",
    [
      ["version", "one"],
      ["version", ""],
    ],
    true,
  ],
  ["RegularExpression", "o.e", [["version", "one"]], true],
  ["RegularExpression", "o", [["version", "one"]], false],
  [
    "RegularExpression",
    "one, t.*",
    [
      ["version", "one"],
      ["version", "two"],
    ],
    true,
  ],
  ["RegularExpression", ".*", [["other", "one"]], false],
] as const)("%s %p of a header on %j holds: %p", (type, value, headers, holds) => {
  const router = routerOf({ rule: { ...prefix("/"), headers: [{ name: "version", type, value }] } });

  expect(found(router, "/", headers)).toBe(holds ? "rule" : null);
});

test.each([
  ["Exact", "1", "a=1", true],
  ["Exact", "1", "a=1&a=2", true],
  ["Exact", "2", "a=1&a=2", false],
  ["Exact", "1", "b=2&a=1", true],
  ["Exact", "1", "A=1", false],
  ["Exact", "1", "aa=1", false],
  ["Exact", "1", "a=11", false],
  ["Exact", "11", "a=1", false],
  ["Exact", "", "a", true],
  ["Exact", "", "a=", true],
  ["Exact", "", "&&a&", true],
  ["Exact", "", "b", false],
  ["Exact", "x y", "a=x%20y", true],
  ["Exact", "x y", "a=x+y", true],
  ["Exact", "x+y", "a=x%2By", true],
  ["Exact", "é", "a=%c3%A9", true],
  ["Exact", "1=2", "a=1=2", true],
  ["Exact", "%zz%4", "a=%zz%4", true],
  ["Exact", "1", "%61=%31", true],
  ["Exact", "1", "b=a=1", false],
  ["RegularExpression", "v[12]", "a=v%31", true],
  ["RegularExpression", "v[12]", "a=v12", false],
  ["RegularExpression", ".*", "b=1", false],
] as const)("%s %p of a parameter on %p holds: %p", (type, value, query, holds) => {
  const router = routerOf({ rule: { ...prefix("/"), query: [{ name: "a", type, value }] } });

  expect(found(router, `/?${query}`)).toBe(holds ? "rule" : null);
});

test("a request without a query has no parameters", () => {
  const router = routerOf({ rule: { ...prefix("/"), query: [{ name: "a", type: "Exact", value: "" }] } });

  expect(found(router, "/")).toBeNull();
});

test("a method without a number is compared by its bytes", () => {
  const router = routerOf({ rule: { ...prefix("/"), method: "PURGE" } });

  expect(router.match(requestHead({ method: "PURGE" }))).toBe("rule");
  expect(router.match(requestHead({ method: "PURG" }))).toBeNull();
  expect(router.match(requestHead({ method: "GET" }))).toBeNull();
});

test("dot segments and escapes lead to the rule of the path that an app would read", () => {
  const router = routerOf({
    root: prefix("/"),
    open: prefix("/public"),
    guarded: prefix("/admin"),
    user: exact("/~u"),
  });

  expect(found(router, "/public/../admin/x")).toBe("guarded");
  expect(found(router, "/public/%2e%2e/admin")).toBe("guarded");
  expect(found(router, "/%61dmin")).toBe("guarded");
  expect(found(router, "/public/./x")).toBe("open");
  expect(found(router, "/%7Eu")).toBe("user");
  expect(found(router, "/admin%2Fx")).toBe("root");
});

test("routers of one worker share a scan", () => {
  const scan = new PathScan(3);
  const [a, b] = ["/one", "/one/two/three"].map((path) => {
    return new Router([{ match: prefix(path), order: 0, ruleIndex: 0, value: path }], scan);
  });

  expect(a!.match(requestHead({ target: "/one/two/three" }))).toBe("/one");
  expect(b!.match(requestHead({ target: "/one/two/three/four" }))).toBe("/one/two/three");
});

test("the table agrees with the rules of the specification read one by one", () => {
  const random = seeded(42);
  const pick = <V>(values: readonly V[]): V => values[Math.floor(random() * values.length)]!;
  const paths = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b//c", "/a/bc", "/b"];
  const value = () => ({ name: pick(["x", "y"]), type: "Exact", value: pick(["1", "2"]) }) as const;
  for (let round = 0; round < 300; round++) {
    const rules = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, i) => ({
      match: {
        path: { type: pick(["Exact", "PathPrefix"] as const), value: pick(paths) },
        ...(random() < 0.3 && { method: pick(["GET", "POST"]) }),
        ...(random() < 0.4 && { headers: [value(), value()].slice(Math.floor(random() * 2)) }),
        ...(random() < 0.4 && { query: [value(), value()].slice(Math.floor(random() * 2)) }),
      },
      order: Math.floor(random() * 3),
      ruleIndex: Math.floor(random() * 3),
      value: `${i}`,
    }));
    const router = new Router(rules, new PathScan(round));
    for (let n = 0; n < 30; n++) {
      const request = {
        method: pick(["GET", "POST"]),
        path: pick([...paths, "/a/b/c/d", "/c", "/b/", "/abc"]),
        query: random() < 0.5 ? { [pick(["x", "y"])]: pick(["1", "2"]) } : {},
        headers: random() < 0.5 ? { [pick(["x", "y"])]: pick(["1", "2"]) } : {},
      };
      expect([request, router.match(headOf(request))]).toEqual([request, byTheBook(rules, request)]);
    }
  }
});

interface Plain {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

type Rule = { readonly match: MatchModel; readonly order: number; readonly ruleIndex: number; readonly value: string };

/** The specification as slowly as it reads; ties that it leaves open go to the first. */
function byTheBook(rules: readonly Rule[], request: Plain): string | null {
  const elements = (path: string) => path.replace(/\/$/, "").split("/");
  const distinct = (values: MatchModel["headers"] = []) =>
    values.filter((v, i) => values.findIndex((o) => o.name === v.name) === i);
  const takes = ({ match }: Rule): boolean => {
    const wanted = elements(match.path.value);
    const path =
      match.path.type === "Exact"
        ? match.path.value === request.path
        : wanted.every((e, i) => request.path.split("/")[i] === e);
    return (
      path &&
      (match.method ?? request.method) === request.method &&
      distinct(match.headers).every((h) => request.headers[h.name] === h.value) &&
      distinct(match.query).every((q) => request.query[q.name] === q.value)
    );
  };
  const rank = ({ match, order, ruleIndex }: Rule): readonly number[] => [
    match.path.type === "Exact" ? 0 : 1,
    match.path.type === "Exact" ? 0 : -match.path.value.replace(/\/$/, "").length,
    match.method === undefined ? 1 : 0,
    -distinct(match.headers).length,
    -distinct(match.query).length,
    order,
    ruleIndex,
  ];
  const sorted = rules.filter(takes).sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    const i = x.findIndex((v, k) => v !== y[k]);
    return i < 0 ? 0 : x[i]! - y[i]!;
  });
  return sorted[0]?.value ?? null;
}

function headOf(request: Plain): ReturnType<typeof requestHead> {
  const query = new URLSearchParams(request.query).toString();
  return requestHead({
    method: request.method,
    target: query === "" ? request.path : `${request.path}?${query}`,
    headers: Object.entries(request.headers),
  });
}

function routerOf(rules: Readonly<Record<string, MatchModel>>): Router<string> {
  const matches = Object.entries(rules).map(([value, match], ruleIndex) => ({ match, order: 0, ruleIndex, value }));
  return new Router(matches, new PathScan(0x5eed));
}

function found(
  router: Router<string>,
  target: string,
  headers: readonly (readonly [string, string])[] = [],
): string | null {
  return router.match(requestHead({ target, headers }));
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("a regular expression takes the whole path, behind every prefix but the one for everything else", () => {
  const regex = (value: string): MatchModel => ({ path: { type: "RegularExpression", value } });
  const router = routerOf({
    rest: prefix("/"),
    version: regex("/v[0-9]+/.*"),
    post: { ...regex("/v[0-9]+/items/[a-z]+"), method: "POST" },
    items: prefix("/v1/items"),
  });

  expect(["/v2/a", "/v22/", "/v/a", "/x/v2/a", "/v2"].map((path) => found(router, path))).toEqual([
    "version",
    "version",
    "rest",
    "rest",
    "rest",
  ]);
  expect(found(router, "/v1/items/a")).toBe("items");
  expect(found(router, "/v2/items/a")).toBe("version");
  expect(router.match(requestHead({ method: "POST", target: "/v2/items/a" }))).toBe("post");
  expect(found(router, "/x/../v2/%61?q=/v1")).toBe("version");
});
