import { afterAll, beforeAll, expect } from "bun:test";
import { type Backend, echo, lacking, ok, output, startBackend, testUnless } from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

const setUp = {} as { backend: Backend; plane: Plane; url: string };

beforeAll(async () => {
  setUp.backend = await startBackend();
  setUp.plane = await startPlane(setUp.backend.port);
  setUp.url = `http://127.0.0.1:${setUp.plane.port}/`;
});

afterAll(async () => {
  await setUp.plane[Symbol.asyncDispose]();
  await setUp.backend[Symbol.asyncDispose]();
});

testUnless(lacking({ programs: ["curl"] }))("curl speaks HTTP/2 to us by prior knowledge, bodies and all", async () => {
  setUp.backend.script = echo();
  const body = "x".repeat(100_000);

  const text = await output([
    ...["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}"],
    ...["--data-binary", body, setUp.url],
  ]);

  expect(text).toBe(`${body}2 200`);
});

testUnless(lacking({ programs: ["nghttp"] }))(
  "nghttp finds no frame invalid, padded and windowed as it asks",
  async () => {
    setUp.backend.script = ok("a".repeat(100_000));

    const log = await output(["nghttp", "-nv", "-b", "100", "-w", "10", "-W", "12", "-m", "5", setUp.url]);

    expect(log).not.toContain("INVALID");
    expect(log.match(/recv HEADERS frame/g)?.length).toBeGreaterThanOrEqual(1);
  },
);

testUnless(lacking({ programs: ["h2load"] }))("h2load gets every one of ten thousand answers", async () => {
  setUp.backend.script = ok("hello");

  const report = await output(["h2load", "-n", "10000", "-c", "8", "-m", "16", setUp.url]);

  expect(report).toContain("10000 succeeded, 0 failed, 0 errored, 0 timeout");
  expect(setUp.plane.warnings).toEqual([]);
});
