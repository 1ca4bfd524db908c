import { expect, test } from "bun:test";
import { latin1 } from "../../base/mod.ts";
import { DEFAULT_HEAD_LIMITS, parseRequestHead, RequestHead } from "../../http/mod.ts";
import type { RedirectModel } from "../model.ts";
import { Redirect } from "./redirect.ts";

const HTTP = { secure: false, port: 80, host: "10.0.0.1" };

// Gateway API, HTTPRequestRedirectFilter, `port`: left out where it is the scheme's own.
test.each([
  [{ hostname: "example.org" }, HTTP, "http://example.org/a?b=1"],
  [{ hostname: "example.org" }, { ...HTTP, port: 8080 }, "http://example.org:8080/a?b=1"],
  [{ hostname: "example.org", port: 80 }, { ...HTTP, port: 8080 }, "http://example.org/a?b=1"],
  [{ hostname: "example.org", port: 8080 }, HTTP, "http://example.org:8080/a?b=1"],
  [{ scheme: "https", hostname: "example.org" }, HTTP, "https://example.org/a?b=1"],
  [{ scheme: "https", hostname: "example.org" }, { ...HTTP, port: 8080 }, "https://example.org/a?b=1"],
  [{ scheme: "https", hostname: "example.org", port: 443 }, HTTP, "https://example.org/a?b=1"],
  [{ scheme: "https", hostname: "example.org", port: 8443 }, HTTP, "https://example.org:8443/a?b=1"],
  [{ scheme: "http", hostname: "example.org" }, { ...HTTP, secure: true, port: 443 }, "http://example.org/a?b=1"],
  [{ hostname: "example.org" }, { ...HTTP, secure: true, port: 443 }, "https://example.org/a?b=1"],
  [{ hostname: "example.org" }, { ...HTTP, secure: true, port: 8443 }, "https://example.org:8443/a?b=1"],
  [{ hostname: "example.org", port: 80 }, { ...HTTP, secure: true, port: 443 }, "https://example.org:80/a?b=1"],
  [{ scheme: "https" }, HTTP, "https://shop.test/a?b=1"],
  [{ port: 8083 }, HTTP, "http://shop.test:8083/a?b=1"],
  [{}, { ...HTTP, port: 8080 }, "http://shop.test:8080/a?b=1"],
] as const)("%j of a request that came by %j is %s", (model, from, expected) => {
  expect(location(model, from, "/a?b=1")).toBe(expected);
});

test("a client that wrote a port of its own for the same host goes on with it", () => {
  expect(location({}, HTTP, "/a", "127.0.0.1:9080")).toBe("http://127.0.0.1:9080/a");
  expect(location({ hostname: "x.test" }, HTTP, "/a", "127.0.0.1:9080")).toBe("http://x.test/a");
});

test("path and prefix change, and the query goes along", () => {
  const path = (type: "ReplaceFullPath" | "ReplacePrefixMatch", value: string) => ({ path: { type, value } }) as const;

  expect(location(path("ReplaceFullPath", "/new"), HTTP, "/old/x?b=1")).toBe("http://shop.test/new?b=1");
  expect(location(path("ReplacePrefixMatch", "/new"), HTTP, "/old/x?")).toBe("http://shop.test/new/x?");
});

test("what has no path is sent to the root, and no path is taken for a host", () => {
  expect(location({}, HTTP, "*", "shop.test", "OPTIONS")).toBe("http://shop.test/");
  expect(location({}, HTTP, "//evil.test/%2e%2e?//a")).toBe("http://shop.test//evil.test/%2e%2e?//a");
  expect(location({}, HTTP, "http://shop.test?b=1")).toBe("http://shop.test/?b=1");
});

function location(
  model: Omit<RedirectModel, "status">,
  from: typeof HTTP,
  target: string,
  host = "shop.test",
  method = "GET",
): string {
  const head = new RequestHead();
  const bytes = latin1(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  parseRequestHead(head, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS);
  return new Redirect({ ...model, status: 302 }).location(head, from, "/old".length);
}
