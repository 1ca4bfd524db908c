import { expect, test } from "bun:test";
import { type RequestText, requestHead } from "../../../test/harness/head.ts";
import { FACTS } from "../../../test/harness/policy.ts";
import { HeaderChanges } from "../header-change.ts";
import type { RequestFacts } from "../plugin.ts";
import { RequestJson } from "./request-json.ts";

const writer = new RequestJson();

test("a request is written as the contract says", () => {
  const json = written({ method: "POST", target: "/cart?item=7&n=2", headers: [["Accept", "*/*"]] });

  expect(json).toEqual({
    method: "POST",
    path: "/cart",
    query: "item=7&n=2",
    authority: "",
    headers: { accept: "*/*" },
    source: { identity: FACTS.peer, address: "10.0.0.7" },
    service: "shop/web",
    route: "HTTPRoute/shop/web/0",
  });
});

test("quotes, backslashes, control bytes and bytes above 127 survive", () => {
  const value = 'a"b\\c\td\x7f\xe9\xff';

  expect(written({ headers: [["x-odd", value]] }).headers["x-odd"]).toBe(value);
});

test("a method without a number keeps its name, and no peer is an empty identity", () => {
  const json = written({ method: "PURGE" }, { ...FACTS, peer: null, service: 'a"\u20ac' });

  expect(json.method).toBe("PURGE");
  expect(json.source.identity).toBe("");
  expect(json.service).toBe('a"\u20ac');
});

test("repeated headers become one value, whatever their case, cookies by their own rule", () => {
  const json = written({
    headers: [
      ["X-A", "1"],
      ["Cookie", "a=1"],
      ["x-b", "other"],
      ["x-a", "2"],
      ["COOKIE", "b=2"],
      ["X-a", "3"],
    ],
  });

  expect(json.headers).toEqual({ "x-a": "1, 2, 3", cookie: "a=1; b=2", "x-b": "other" });
});

test("names that look alike to the writer's hash stay apart", () => {
  const names = ["x-abc-y", "x-acb-y", "x-bac-y", "x-bca-y"];

  expect(Object.keys(written({ headers: names.map((name) => [name, name] as const) }).headers)).toEqual(names);
});

test("what an earlier policy changed is seen as if it had been received", () => {
  const changes = new HeaderChanges([
    { name: "x-consumer", value: 'al"ice' },
    { name: "x-api-key", value: null },
  ]);
  const headers = [
    ["X-Consumer", "root"],
    ["x_consumer", "root"],
    ["x-api-key", "secret"],
    ["x-other", "1"],
  ] as const;

  expect(written({ headers }, { ...FACTS, changes }).headers).toEqual({ "x-other": "1", "x-consumer": 'al"ice' });
  expect(written({ headers: [headers[2]] }, { ...FACTS, changes }).headers).toEqual({ "x-consumer": 'al"ice' });
});

test("every request fits the room it announced, and comes back whole", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const headers = randomHeaders(seed);
    const json = written({ target: `/${randomText(seed, 30)}`, headers });

    const expected: Record<string, string> = {};
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      expected[key] = expected[key] === undefined ? value : `${expected[key]}, ${value}`;
    }
    expect(json.headers).toEqual(expected);
  }
});

function written(text: RequestText, facts: RequestFacts = FACTS) {
  const head = requestHead(text);
  const room = writer.most(head, facts);
  const out = Buffer.alloc(room + 100, 0xee);
  const end = writer.write(out, 50, head, facts);

  expect(end - 50).toBeLessThanOrEqual(room);
  return JSON.parse(out.utf8Slice(50, end));
}

function randomText(seed: number, length: number): string {
  let state = seed * 2_654_435_761;
  return Array.from({ length: seed % length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return String.fromCharCode(33 + ((state >>> 9) % 223));
  }).join("");
}

function randomHeaders(seed: number): [string, string][] {
  return Array.from({ length: seed % 40 }, (_, i) => [`X-${(i * seed) % 13}-h`, randomText(seed + i, 50)]);
}
