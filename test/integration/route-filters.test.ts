import { describe, expect, test } from "bun:test";
import {
  answerFrames,
  block,
  connectHttp2,
  END_HEADERS,
  type Frame,
  frame,
  get,
  HEADERS,
  startHttp2Backend,
} from "../harness/http2.ts";
import { eventually, ok, type Received, stall, startBackend } from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";
import { byHttp1, byHttp2, routeYaml, serviceYaml } from "../harness/routed.ts";

const WEB = "backendRefs: [{name: web, port: 80}]";
const PAGE = "https://page.test";

const VERSIONS = [
  ["HTTP/1.1", byHttp1],
  ["HTTP/2", byHttp2],
] as const;

for (const [version, send] of VERSIONS) {
  describe(`a request by ${version}`, () => {
    test("is sent elsewhere by a redirect, and no backend hears of it", async () => {
      await using backend = await startBackend();
      const https = "{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}";
      const moved =
        "{type: RequestRedirect, requestRedirect: {hostname: new.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}, statusCode: 302}}";
      await using plane = await startPlane(backend.port, {
        config: routeYaml(
          `{matches: [{path: {type: PathPrefix, value: /a}}], filters: [${moved}]}`,
          `{filters: [${https}]}`,
        ),
      });

      const answers = [
        await send(plane.port, { path: "/a/x?y=1" }),
        await send(plane.port, { path: "/z", host: "web.test:8080" }),
      ];

      expect(answers.map((got) => [got.status, got.get("location")])).toEqual([
        [302, "http://new.test/b/x?y=1"],
        [301, "https://web.test/z"],
      ]);
      expect(backend.requests).toEqual([]);
      await isClean(plane);
    });

    test("goes on with another host and path where its rule rewrites them, to either version", async () => {
      await using backend = await startBackend();
      await using http2 = await startHttp2Backend((peer, { stream }) => peer.write(answerFrames(stream, 200, "two")));
      const rewrite =
        "{type: URLRewrite, urlRewrite: {hostname: inner.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}";
      const config = routeYaml(`{matches: [{path: {type: PathPrefix, value: /old}}], filters: [${rewrite}], ${WEB}}`);
      await using one = await startPlane(backend.port, { config });
      await using two = await startPlane(http2.port, { config, appProtocol: "kubernetes.io/h2c" });

      const texts = [
        (await send(one.port, { path: "/old/x?y=1", fields: [["x-a", "1"]] })).text,
        (await send(two.port, { path: "/old/x?y=1", fields: [["x-a", "1"]] })).text,
      ];

      expect(texts).toEqual(["hello", "two"]);
      const [got] = backend.requests as [Received];
      expect([got.target, fieldOf(got.fields, "host"), fieldOf(got.fields, "x-a")]).toEqual([
        "/new/x?y=1",
        "inner.test",
        "1",
      ]);
      const head = http2.peers[0]!.frames.find(({ fields }) => fields.length > 0) as Frame;
      expect([":path", ":authority", "x-a"].map((name) => fieldOf(head.fields, name))).toEqual([
        "/new/x?y=1",
        "inner.test",
        "1",
      ]);
      await isClean(one);
      await isClean(two);
    });

    test("of a page is answered by CORS: the preflight by the proxy, the rest by the backend with our words", async () => {
      await using backend = await startBackend(ok("data", [["Access-Control-Allow-Origin", "*"]]));
      const cors = `{type: CORS, cors: {allowOrigins: ["${PAGE}"], allowMethods: [PUT], allowCredentials: true}}`;
      await using plane = await startPlane(backend.port, { config: routeYaml(`{filters: [${cors}], ${WEB}}`) });
      const ask = (origin: string) =>
        send(plane.port, {
          method: "OPTIONS",
          fields: [
            ["origin", origin],
            ["access-control-request-method", "PUT"],
          ],
        });

      const [allowed, refused] = [await ask(PAGE), await ask("https://evil.test")];
      const [read, hidden] = [
        await send(plane.port, { fields: [["origin", PAGE]] }),
        await send(plane.port, { fields: [["origin", "https://evil.test"]] }),
      ];

      expect([allowed.status, allowed.get("access-control-allow-methods"), refused.status]).toEqual([204, "PUT", 204]);
      const names = ["access-control-allow-origin", "access-control-allow-credentials"];
      expect(names.map((name) => allowed.get(name))).toEqual([PAGE, "true"]);
      expect(refused.get("access-control-allow-origin")).toBeNull();
      expect([read.text, ...names.map((name) => read.get(name))]).toEqual(["data", PAGE, "true"]);
      expect([hidden.text, hidden.get("access-control-allow-origin")]).toEqual(["data", null]);
      expect(backend.requests).toHaveLength(2);
      await isClean(plane);
    });

    test("is seen by its mirrors too, whatever becomes of them", async () => {
      await using backend = await startBackend();
      await using shadow = await startBackend(stall());
      const mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}";
      const header = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Set, value: here}]}}";
      await using plane = await startPlane(backend.port, {
        config: serviceYaml("shadow", shadow) + routeYaml(`{filters: [${header}, ${mirror}], ${WEB}}`),
      });

      const got = await send(plane.port, { method: "POST", path: "/a?b", body: "the body" });
      await eventually(() => shadow.requests.length === 1);

      expect([got.status, got.text]).toEqual([200, "hello"]);
      const [copy] = shadow.requests as [Received];
      expect([copy.method, copy.target, fieldOf(copy.fields, "host"), fieldOf(copy.fields, "x-set")]).toEqual([
        "POST",
        "/a?b",
        "web.test",
        "here",
      ]);
      expect((await copy.body).bytes.toString()).toBe("the body");
      expect(fieldOf(copy.fields, "x-request-id")).toBe(fieldOf(backend.requests[0]!.fields, "x-request-id"));
      plane.skip(61_000);
      await eventually(async () => (await plane.metric("mesh_mirrored_requests_total", { outcome: "failed" })) === 1);
      await isClean(plane);
    });

    test("meets the faults of its rule", async () => {
      await using backend = await startBackend();
      const abort = "matches: [{path: {type: Exact, value: /abort}}], abort: {status: 418}";
      const delay = "matches: [{path: {type: Exact, value: /delay}}], delay: {fixed: 60s}";
      const route = routeYaml(`{${WEB}, timeouts: {request: 10s}}`);
      await using plane = await startPlane(backend.port, {
        config: route + faultYaml("a", abort) + faultYaml("d", delay),
      });

      const aborted = await send(plane.port, { path: "/abort" });
      const late = send(plane.port, { path: "/delay", fields: [["x-late", "1"]] });
      await eventually(() => plane.active === 1);
      expect(backend.requests).toEqual([]);
      plane.skip(9_000);
      expect(backend.requests).toEqual([]);
      plane.skip(1_500);

      expect([aborted.status, (await late).status]).toEqual([418, 504]);
      expect(backend.requests).toEqual([]);
      expect(await plane.metric("istio_requests_total", { response_flags: "FI" })).toBe(1);
      await isClean(plane);
    });
  });
}

test("a delay on purpose ends, and the request goes on as if it had not been", async () => {
  await using backend = await startBackend();
  await using plane = await startPlane(backend.port, { config: faultYaml("d", "delay: {fixed: 5s}") });

  const late = byHttp1(plane.port, { method: "POST", body: "abc" });
  await eventually(() => plane.active === 1);
  plane.skip(5_300);

  expect((await late).text).toBe("hello");
  expect((await backend.requests[0]!.body).bytes.toString()).toBe("abc");
  expect(await plane.metric("istio_requests_total", { response_flags: "DI", response_code: "200" })).toBe(1);
});

test("answers of a mirror that differ are counted and told", async () => {
  await using backend = await startBackend(ok("one"));
  await using shadow = await startBackend(ok("two"));
  const mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}, percent: 100}}";
  await using plane = await startPlane(backend.port, {
    config: `${serviceYaml("shadow", shadow)}${routeYaml(`{filters: [${mirror}], ${WEB}}`)}---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: web}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}], compareMirrors: true}
`,
  });

  await byHttp1(plane.port, {});

  await eventually(async () => (await plane.metric("mesh_mirror_comparisons_total", { difference: "body" })) === 1);
});

test("a rule is found by a regular expression over the whole path", async () => {
  await using backend = await startBackend(ok("web"));
  await using versions = await startBackend(ok("versions"));
  await using plane = await startPlane(backend.port, {
    config:
      serviceYaml("versions", versions) +
      routeYaml(
        `{${WEB}}`,
        '{matches: [{path: {type: RegularExpression, value: "/v[0-9]+/.*"}}], backendRefs: [{name: versions, port: 80}]}',
      ),
  });

  const texts: string[] = [];
  for (const path of ["/v1/a", "/v12/", "/v1", "/x/v1/a", "/x/../%761/a"])
    texts.push((await byHttp1(plane.port, { path })).text);

  expect(texts).toEqual(["versions", "versions", "web", "web", "versions"]);
});

function faultYaml(name: string, spec: string): string {
  return `---
apiVersion: mesh.dev/v1
kind: Fault
metadata: {name: ${name}}
spec: {targetRefs: [{group: "", kind: Service, name: web}], ${spec}}
`;
}

test("an upgrade by HTTP/2 that is declined says what its rule says, and nothing else", async () => {
  await using backend = await startBackend(ok("no", [["Access-Control-Allow-Origin", "*"]]));
  const cors = `{type: CORS, cors: {allowOrigins: ["${PAGE}"]}}`;
  await using plane = await startPlane(backend.port, { config: routeYaml(`{filters: [${cors}], ${WEB}}`) });
  await using client = await connectHttp2(plane.port);
  const head = [...get("/chat").filter(([name]) => name !== ":method"), [":method", "CONNECT"]] as const;
  const fields = [...head, [":protocol", "websocket"], ["origin", PAGE]] as const;
  client.write(frame(HEADERS, END_HEADERS, 1, block(fields)));

  const got = await client.response(1);

  expect(got.fields.filter(([name]) => name === "access-control-allow-origin")).toEqual([
    ["access-control-allow-origin", PAGE],
  ]);
  expect(fieldOf(got.fields, "x-mesh-declined")).toBe("1");
});

function fieldOf(fields: readonly (readonly [string, string])[], name: string): string | undefined {
  return fields.find(([found]) => found.toLowerCase() === name)?.[1];
}

/** Nothing is left over, and no bug was met. */
async function isClean(plane: Plane): Promise<void> {
  await eventually(() => plane.active === 0);
  expect(plane.warnings).toEqual([]);
}
