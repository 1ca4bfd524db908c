import { expect, test } from "bun:test";
import { Pattern } from "./pattern.ts";
import { InvalidPattern } from "./pattern-parse.ts";

const PATTERNS = [
  "",
  "abc",
  "a*",
  "(a|b)*c",
  "a|bc|",
  "v[12]",
  "v[^12-4]",
  "[]a]+",
  "[a-]+",
  "\\d{2,4}",
  "a{3}",
  "a{2,}b?",
  "(ab){1,2}",
  "(?:x|y)+?z",
  "^abc$",
  "(^a|b)c",
  "\\w+@\\w+\\.com",
  "a.c",
  "[\\d\\-x]+",
  "(a*)*b",
  "(|a)+",
  "\\x41\\t?",
  ".*-canary",
  "a$|ab",
];
const VALUES = [
  ..."abcxyz123]-{",
  "",
  "abc",
  "aaa",
  "aaaa",
  "aab",
  "bc",
  "bbac",
  "v1",
  "v5",
  "v3",
  "]a",
  "12",
  "12345",
  "abab",
  "ababab",
  "xyz",
  "user@host.com",
  "user@hostxcom",
  "a\nc",
  "a-c",
  "1-x",
  "A",
  "A\t",
  "web-canary",
  "ac",
  "ab",
];

test.each(PATTERNS)("%p matches what RegExp matches whole", (text) => {
  const pattern = new Pattern(text);
  const reference = new RegExp(`^(?:${text.replace("[]a]", "[\\]a]")})$`);

  for (const value of VALUES) expect([value, matches(pattern, value)]).toEqual([value, reference.test(value)]);
});

test("random patterns match what RegExp matches whole", () => {
  const random = seeded(2026);
  const pick = (choices: readonly string[]): string => choices[Math.floor(random() * choices.length)]!;
  const atom = (depth: number): string => {
    if (depth > 0 && random() < 0.4) return `(${random() < 0.5 ? "?:" : ""}${alternatives(depth - 1)})`;
    return pick(["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "^", "$"]);
  };
  const repeated = (depth: number): string =>
    atom(depth) + pick(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,}", "*?"]);
  const sequence = (depth: number): string =>
    Array.from({ length: Math.floor(random() * 4) }, () => repeated(depth)).join("");
  const alternatives = (depth: number): string =>
    Array.from({ length: 1 + Math.floor(random() * 2) }, () => sequence(depth)).join("|");

  for (let round = 0; round < 500; round++) {
    const text = alternatives(2).replaceAll(/([\^$])(?:\*\??|[+?]|\{[\d,]+\})/g, "$1");
    const pattern = new Pattern(text);
    const reference = new RegExp(`^(?:${text})$`);
    for (let n = 0; n < 20; n++) {
      const value = Array.from({ length: Math.floor(random() * 7) }, () => pick(["a", "b", "c", "-"])).join("");
      expect([text, value, matches(pattern, value)]).toEqual([text, value, reference.test(value)]);
    }
  }
});

test("(?i) ignores the case of literals and classes", () => {
  const pattern = new Pattern("(?i)beta-[a-f]+\\x5a");

  expect(matches(pattern, "BETA-cAfez")).toBe(true);
  expect(matches(pattern, "BETA-xz")).toBe(false);
});

test("a literal beyond ASCII is its UTF-8 bytes", () => {
  expect(matches(new Pattern("caf(é|e)"), "café")).toBe(true);
  expect(matches(new Pattern("é{2}"), "éé")).toBe(true);
});

test("a pattern that makes RegExp explode takes a step a byte", () => {
  const value = `${"a".repeat(4000)}!`;

  expect(matches(new Pattern("(a+)+"), value)).toBe(false);
  expect(matches(new Pattern("(a|aa|a*)*b"), value)).toBe(false);
  expect(matches(new Pattern("(a|aa)+!"), value)).toBe(true);
});

test("a value longer than 4096 bytes does not match", () => {
  expect(matches(new Pattern("a*"), "a".repeat(4096))).toBe(true);
  expect(matches(new Pattern("a*"), "a".repeat(4097))).toBe(false);
});

test("an empty group may be repeated as often as the author likes", () => {
  expect(matches(new Pattern("(((){1000}){1000}){1000}a"), "a")).toBe(true);
});

test.each([
  ["(a", '"(" without ")"'],
  ["a)", '")" without "("'],
  ["[a", '"[" without "]"'],
  ["*a", '"*" has nothing to repeat'],
  ["a\\", '"\\" at the end'],
  ["(a)\\1", '"\\1" is not supported'],
  ["(?=a)", '"(?=" is not supported'],
  ["(?<!a)b", '"(?<" is not supported'],
  ["\\bword", '"\\b" is not supported'],
  ["a++", "a repetition cannot be repeated without a group"],
  ["a{2}{3}", "a repetition cannot be repeated without a group"],
  ["a{5,2}", '"{5,2}" is no repetition from 0 to 1000'],
  ["a{1001}", '"{1001}" is no repetition from 0 to 1000'],
  ["(a{1000}){1000}", "it needs more than 1000 states"],
  ["[z-a]", "a range in a class ends before it starts"],
  ["[é]", '"é" in a class is not ASCII'],
  ["\\pL", '"\\p" is not supported'],
  ["(".repeat(200), "groups nest deeper than 100"],
])("%p is refused: %s", (text, problem) => {
  expect(() => new Pattern(text)).toThrow(new InvalidPattern(text, problem));
});

function matches(pattern: Pattern, value: string): boolean {
  const bytes = new TextEncoder().encode(value);
  return pattern.matches(bytes, 0, bytes.length);
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
