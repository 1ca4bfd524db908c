import { expect, test } from "bun:test";
import { requestHead } from "../../../test/harness/head.ts";
import type { CorsModel } from "../model.ts";
import { Cors } from "./cors.ts";

const PAGE = "https://www.foo.com";

test("an allowed origin may read the answer, and only by its own name", () => {
  const cors = corsOf({ allowOrigins: [PAGE, "https://*.bar.com"], exposeHeaders: ["x-a", "x-b"] });

  expect(answer(cors, PAGE)).toEqual([
    `Access-Control-Allow-Origin: ${PAGE}`,
    "Access-Control-Expose-Headers: x-a, x-b",
    "Vary: Origin",
  ]);
  expect(answer(cors, "https://a.b.bar.com")[0]).toBe("Access-Control-Allow-Origin: https://a.b.bar.com");
});

test.each([
  "https://www.foo.com.evil.org",
  "http://www.foo.com",
  "https://bar.com",
  "https://evilbar.com",
  "https://evil.org/.bar.com",
  "null",
])("the origin %s is told nothing", (origin) => {
  const cors = corsOf({ allowOrigins: [PAGE, "https://*.bar.com"] });

  expect(answer(cors, origin)).toEqual(["Vary: Origin"]);
  expect(preflight(cors, origin)).toEqual([VARY]);
});

test("only the first star of an origin stands for something, and another breaks nothing", () => {
  const cors = corsOf({ allowOrigins: ["https://**.a.com", "https://*.*.b.com", "https://*.c.com"] });

  expect(answer(cors, "https://x.y.c.com")[0]).toBe("Access-Control-Allow-Origin: https://x.y.c.com");
  for (const origin of ["https://x.a.com", "https://x.b.com", "https://xb.com"])
    expect(answer(cors, origin)).toEqual(["Vary: Origin"]);
});

test("a star is said as such, and by the origin's name where there are credentials", () => {
  expect(answer(corsOf({ allowOrigins: ["*"] }), PAGE)).toEqual(["Access-Control-Allow-Origin: *"]);
  expect(answer(corsOf({ allowOrigins: ["*"], allowCredentials: true }), PAGE)).toEqual([
    `Access-Control-Allow-Origin: ${PAGE}`,
    "Access-Control-Allow-Credentials: true",
    "Vary: Origin",
  ]);
});

test("a preflight is told methods, headers and for how long", () => {
  const cors = corsOf({ allowOrigins: [PAGE], allowMethods: ["GET", "PUT"], allowHeaders: ["x-a", "x-b"] });

  expect(preflight(cors, PAGE)).toEqual([
    `Access-Control-Allow-Origin: ${PAGE}`,
    "Access-Control-Allow-Methods: GET, PUT",
    "Access-Control-Allow-Headers: x-a, x-b",
    "Access-Control-Max-Age: 5",
    VARY,
  ]);
});

test("stars for methods and headers take what is asked for where there are credentials", () => {
  const stars = { allowOrigins: [PAGE], allowMethods: ["*"], allowHeaders: ["*"] };

  expect(preflight(corsOf(stars), PAGE)).toContain("Access-Control-Allow-Methods: *");
  expect(preflight(corsOf(stars), PAGE)).toContain("Access-Control-Allow-Headers: *");
  expect(preflight(corsOf({ ...stars, allowCredentials: true }), PAGE)).toContain("Access-Control-Allow-Methods: PUT");
  expect(preflight(corsOf({ ...stars, allowCredentials: true }), PAGE)).toContain("Access-Control-Allow-Headers: x-q");
});

test("only OPTIONS with an origin and a method asked for is a preflight", () => {
  const cors = corsOf({});
  const asks = [["access-control-request-method", "PUT"]] as const;

  expect(cors.isPreflight(requestHead({ method: "OPTIONS", headers: [["origin", PAGE], ...asks] }))).toBe(true);
  expect(cors.isPreflight(requestHead({ method: "OPTIONS", headers: [["origin", PAGE]] }))).toBe(false);
  expect(cors.isPreflight(requestHead({ method: "OPTIONS", headers: asks }))).toBe(false);
  expect(cors.isPreflight(requestHead({ method: "GET", headers: [["origin", PAGE], ...asks] }))).toBe(false);
});

test("what the upstream says of its readers does not go on, whoever asks", () => {
  const upstream = requestHead({
    headers: [
      ["Access-Control-Allow-Origin", "*"],
      ["access-controller", "1"],
    ],
  });

  for (const origin of [PAGE, "https://evil.org"]) {
    const edits = corsOf({ allowOrigins: [PAGE] }).ofAnswer(requestHead({ headers: [["origin", origin]] }));
    const dropped = Array.from({ length: upstream.count }, (_, i) =>
      edits.drops(upstream, i) ? upstream.nameText(i) : "",
    );
    expect(dropped.filter((name) => name !== "")).toEqual(["access-control-allow-origin"]);
  }
});

const VARY = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

function corsOf(model: Partial<CorsModel>): Cors {
  const silent = { allowOrigins: [], allowMethods: [], allowHeaders: [], exposeHeaders: [] };
  return new Cors({ ...silent, maxAgeSeconds: 5, allowCredentials: false, ...model });
}

function answer(cors: Cors, origin: string): string[] {
  return linesOf(cors.ofAnswer(requestHead({ headers: [["origin", origin]] })).lines);
}

function preflight(cors: Cors, origin: string): string[] {
  const asked = [
    ["access-control-request-method", "PUT"],
    ["access-control-request-headers", "x-q"],
  ] as const;
  return linesOf(cors.ofPreflight(requestHead({ method: "OPTIONS", headers: [["origin", origin], ...asked] })));
}

function linesOf(bytes: Buffer): string[] {
  return bytes.toString("latin1").split("\r\n").slice(0, -1);
}
