import { expect, test } from "bun:test";
import type { Seen } from "../echo/pod.ts";
import type { Answer } from "../wire.ts";
import { Differs, judge, type Sent } from "./compare.ts";
import type { Request } from "./model.ts";

const SENT: Sent = { path: "/a?b=c", host: "example.org", method: "GET", scheme: "http" };
const SEEN: Seen = {
  path: "/a?b=c",
  host: "example.org",
  method: "GET",
  proto: "HTTP/1.1",
  headers: { "x-list": ["one", "two"] },
  namespace: "gateway-conformance-infra",
  pod: "infra-backend-v1-2",
  attempts: 1,
};

test("an answer that is as it should be passes", () => {
  judge({ backend: "infra-backend-v1", seen: { headers: { "X-List": "one,two" } } }, SENT, ok());
  judge({ status: [200, 204], answer: { headers: { "X-Set": ["a", "b"] } } }, SENT, ok({}, [["x-set", "b"]]));
});

test.each<readonly [string, Request, Answer]>([
  ["another status", { status: 404 }, ok()],
  ["a pod of another backend", { backend: "infra-backend-v2" }, ok()],
  ["another namespace", { backend: "infra", namespace: "gateway-conformance-app-backend" }, ok()],
  ["another path", { backend: "infra" }, ok({ path: "/" })],
  ["another host", { backend: "infra" }, ok({ host: "other.example.org" })],
  ["another method", { backend: "infra" }, ok({ method: "POST" })],
  ["a field with another value", { backend: "infra", seen: { headers: { "x-list": "one" } } }, ok()],
  ["a field that should not be there", { backend: "infra", seen: { absent: ["X-List"] } }, ok()],
  ["a response field that is missing", { answer: { headers: { "X-Set": "a" } } }, ok()],
  ["a response field that should not be there", { answer: { absent: ["X-Set"] } }, ok({}, [["x-set", "a"]])],
  ["too few attempts", { backend: "infra", seen: { attempts: 2 } }, ok()],
])("%s is told", (_, request, answer) => {
  expect(() => judge(request, SENT, answer)).toThrow(Differs);
});

test.each([
  ["https://example.org/a?b=c", { scheme: "https" }],
  ["http://example.org:80/a?b=c", {}],
  ["http://other.example.org:8080/x", { host: "other.example.org", port: 8080, path: "/x" }],
])("a redirect to %s is compared with what was sent", (location, redirect) => {
  judge({ redirect }, SENT, moved(location));

  for (const wrong of [{ host: "wrong.example.org" }, { path: "/wrong" }, { port: 81 }])
    expect(() => judge({ redirect: { ...redirect, ...wrong } }, SENT, moved(location))).toThrow(Differs);
});

function ok(seen: Partial<Seen> = {}, fields: Answer["fields"] = []): Answer {
  return { status: 200, fields, body: JSON.stringify({ ...SEEN, ...seen }) };
}

function moved(location: string): Answer {
  return { status: 302, fields: [["location", location]], body: "" };
}
