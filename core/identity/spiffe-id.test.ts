import { expect, test } from "bun:test";
import vectors from "../../test/fixtures/vectors/spiffe/spiffe-id-cases.json";
import {
  InvalidSpiffeId,
  isSameIdentity,
  parseSpiffeId,
  problemOfTrustDomain,
  readSpiffeId,
  workloadId,
  workloadOf,
} from "./spiffe-id.ts";

const DOMAINS = { trustDomain: "new.example", trustDomainAliases: ["old.example"] };

for (const { test: source, kind, input, rest } of vectors.cases) {
  test(`${source}: "${input}" is ${kind}`, () => {
    // The vectors of JoinPathSegments are paths; those of a trust domain may be a bare name.
    const text = source === "TestJoinPathSegments" ? `spiffe://td${input}` : input;
    const problem = problemOf(text);

    if (kind === "valid") expect(problem).toBeNull();
    else if (!(source === "TestTrustDomainFromString" && input === "")) expect(problem).toContain(quoted(rest));
  });
}

test("an empty trust domain is missing", () => {
  expect(problemOfTrustDomain("")).toBe("trust domain is missing");
});

test("a SPIFFE ID gives its trust domain and its path", () => {
  expect(parseSpiffeId("spiffe://td/a/b")).toEqual({ text: "spiffe://td/a/b", trustDomain: "td", path: "/a/b" });
  expect(parseSpiffeId("spiffe://td")).toEqual({ text: "spiffe://td", trustDomain: "td", path: "" });
});

test("every byte outside the standard's sets is refused in both parts", () => {
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code);
    const inPath = /[A-Za-z0-9._-]/.test(character) || character === "/";
    const inDomain = /[a-z0-9._-]/.test(character) || character === "/";
    expect(readSpiffeId(`spiffe://td/a${character}b`) !== null).toBe(inPath);
    expect(readSpiffeId(`spiffe://t${character}d/a`) !== null).toBe(inDomain);
  }
});

test("a port, a user, a query and a fragment are refused", () => {
  for (const text of ["spiffe://td:80/a", "spiffe://me@td/a", "spiffe://td/a?b", "spiffe://td/a#b", "spiffe://td?b"]) {
    expect(readSpiffeId(text)).toBeNull();
  }
});

test("a line break at the end is refused", () => {
  expect(readSpiffeId("spiffe://td/a\n")).toBeNull();
  expect(readSpiffeId("spiffe://td\n")).toBeNull();
});

test("ids and trust domains have a longest length", () => {
  expect(readSpiffeId(`spiffe://${"a".repeat(255)}`)).not.toBeNull();
  expect(readSpiffeId(`spiffe://${"a".repeat(256)}`)).toBeNull();
  expect(readSpiffeId(`spiffe://td/${"a".repeat(2048 - 12)}`)).not.toBeNull();
  expect(readSpiffeId(`spiffe://td/${"a".repeat(2049 - 12)}`)).toBeNull();
});

test("a workload's id is read back as its namespace and service account", () => {
  const id = workloadId("example.org", "shop", "cart");

  expect(id).toBe("spiffe://example.org/ns/shop/sa/cart");
  expect(workloadOf(parseSpiffeId(id))).toEqual({ namespace: "shop", serviceAccount: "cart" });
  expect(workloadOf(parseSpiffeId("spiffe://example.org/mesh/control"))).toBeNull();
});

test("a part with a slash does not name another workload", () => {
  expect(() => workloadId("td", "a/sa/b", "c")).toThrow(InvalidSpiffeId);
  expect(() => workloadId("td", "..", "c")).toThrow(InvalidSpiffeId);
  expect(() => workloadId("td", "", "c")).toThrow(InvalidSpiffeId);
});

test("an alias of our trust domain names the same identity, a foreign domain does not", () => {
  expect(isSameIdentity("spiffe://old.example/a", "spiffe://new.example/a", DOMAINS)).toBe(true);
  expect(isSameIdentity("spiffe://old.example/a", "spiffe://old.example/a", DOMAINS)).toBe(true);
  expect(isSameIdentity("spiffe://old.example/a", "spiffe://new.example/b", DOMAINS)).toBe(false);
  expect(isSameIdentity("spiffe://other.example/a", "spiffe://new.example/a", DOMAINS)).toBe(false);
  expect(isSameIdentity("nonsense", "nonsense", DOMAINS)).toBe(false);
});

function problemOf(text: string): string | null {
  try {
    parseSpiffeId(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function quoted(rest: string): string {
  return rest.replace(/^[`"]|[`"]$/g, "");
}
