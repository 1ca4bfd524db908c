import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { follow, lacking, runBinary, type Step, testUnless, withoutNamespaces } from "./harness/mod.ts";

const ROOT = join(import.meta.dir, "..");
const lonely = testUnless(await withoutNamespaces());

const VALID: readonly (readonly string[])[] = [
  ["hello"],
  ["canary/mesh.yaml", "canary/tenth.yaml"],
  ["canary/mesh.yaml", "canary/half.yaml"],
  ["policies"],
  ["edge"],
  ["egress"],
  ["traffic"],
  ["tcp"],
  ["resilience"],
  ["containers/config"],
];

test.each(VALID.map((paths) => [paths]))("the manifests of examples %p have no problem", async (paths) => {
  const { code, stdout } = await runBinary(["validate", "--strict", ...paths.map((path) => `examples/${path}`)], {
    cwd: ROOT,
  });

  expect(stdout).toContain("no problems");
  expect(code).toBe(0);
});

test("the manifests of examples gateway lack nothing but the certificate that its README makes", async () => {
  const { code, stdout } = await runBinary(["validate", "examples/gateway"], { cwd: ROOT });

  expect(stdout).toMatch(/There is no Secret default\/shop-certificate\n\n7 documents in 1 file: 1 warning/);
  expect(code).toBe(0);
});

test("every example has a README and is among those above", () => {
  const folders = readdirSync(join(ROOT, "examples"));

  const known = new Set(["gateway", ...VALID.flat().map((path) => path.split("/")[0]!)]);
  expect([...known].sort()).toEqual(folders.sort());
  for (const folder of folders) expect(readdirSync(join(ROOT, "examples", folder))).toContain("README.md");
});

lonely("examples/hello: a request crosses two sidecars and comes back with the route's header", async () => {
  const steps = await follow("examples/hello/README.md");

  expect(said(steps, "curl -i")).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*x-mesh: hello/i);
  expect(said(steps, "/call")).toContain('"name":"web"');
  expect(said(steps, "mesh status")).toMatch(/shop +spiffe:\/\/cluster\.local\/ns\/default\/sa\/shop .*runs it/);
  expect(said(steps, "mesh get endpoints")).toMatch(/default\/web +80 http .*sa\/web/);
});

lonely("examples/canary: the weights decide who answers, and move while requests flow", async () => {
  const steps = await follow("examples/canary/README.md");

  const [tenth, half] = steps.filter(({ command }) => command.startsWith("for")).map(({ stdout }) => sharesOf(stdout));
  expect(tenth!.v1 + tenth!.v2).toBe(100);
  expect(half!.v1 + half!.v2).toBe(100);
  expect(tenth!.v2).toBeWithin(1, 30);
  expect(half!.v2).toBeWithin(30, 71);
  expect(said(steps, "rollout start")).toContain("Promoted");
  expect(said(steps, "rollout status")).toMatch(/60 % .*held[\s\S]*100 % .*held/);
  expect(said(steps, "-o yaml")).toMatch(/name: web-v2[\s\S]*weight: 1000/);
});

lonely("examples/policies: a key is asked for, testers are led to v2, and who asks too often waits", async () => {
  const steps = await follow("examples/policies/README.md");

  const [refused, admitted, limited] = steps.filter(({ command }) => command.startsWith("curl -i"));
  expect(refused!.stdout).toMatch(/^HTTP\/1\.1 401 [\s\S]*www-authenticate: ApiKey/i);
  expect(admitted!.stdout).toMatch(/^HTTP\/1\.1 200 [\s\S]*"x-consumer":"alice"/);
  expect(admitted!.stdout).not.toContain("alice-key");
  expect(limited!.stdout).toMatch(/^HTTP\/1\.1 429 [\s\S]*retry-after: \d/i);
  const [others, tester] = steps.filter(({ command }) => command.startsWith("curl -s"));
  expect(others!.stdout).toContain('"version":"v1"');
  expect(tester!.stdout).toContain('"version":"v2"');
  const statuses = said(steps, "for ").trim().split("\n");
  expect(statuses).toContain("429");
  expect(statuses[0]).toBe("200");
});

lonely("examples/edge: one proxy serves a directory, and routes by path", async () => {
  const steps = await follow("examples/edge/README.md");

  expect(said(steps, "curl http://127.0.0.1:8080/")).toContain('"name":"web"');
  expect(said(steps, "/api/orders")).toContain('"name":"api"');
  expect(said(steps, "mesh validate")).toContain("no problems");
});

lonely("examples/gateway: HTTP is sent on to HTTPS, whose certificate holds, and the path decides", async () => {
  const steps = await follow("examples/gateway/README.md");

  expect(said(steps, "mesh validate")).toContain("no problems");
  expect(said(steps, "curl -i --resolve")).toMatch(
    /^HTTP\/1\.1 301 [\s\S]*location: https:\/\/shop\.example:8443\/basket/i,
  );
  expect(said(steps, "8443/basket")).toContain('"name":"shop"');
  expect(said(steps, "8443/api/orders")).toMatch(/"name":"api".*"x-forwarded-proto":"https"/);
  expect(said(steps, "--insecure")).toMatch(/^HTTP\/(1\.1|2) 404/);
});

lonely("examples/egress: what is written down may be called, and nothing else", async () => {
  const steps = await follow("examples/egress/README.md");

  expect(said(steps, "api.payments.example")).toMatch(/"name":"payments".*"x-team":"shop"/);
  expect(said(steps, "elsewhere.example")).toContain('Cannot call "elsewhere.example": it is not in the mesh');
});

lonely("examples/traffic: each rule does with a request what it says, and it is counted", async () => {
  const steps = await follow("examples/traffic/README.md");

  expect(said(steps, "/old/shoes")).toMatch(
    /^HTTP\/1\.1 301 [\s\S]*location: http:\/\/127\.0\.0\.1:8080\/new\/shoes\?size=42/i,
  );
  expect(said(steps, "/shop/shoes")).toMatch(/"path":"\/shoes".*"host":"inner\.example"/);
  expect(said(steps, "/status/503")).toMatch(/^HTTP\/1\.1 503 [\s\S]*"name":"web"/);
  expect(said(steps, "x-fault: outage")).toMatch(/^HTTP\/1\.1 503 [\s\S]*fault filter abort/);
  expect(said(steps, "x-fault: slow")).toMatch(/^200 after (0\.[5-9]|[1-9])/);
  const metrics = said(steps, "/metrics");
  expect(metrics).toMatch(/mesh_retries_total\{.*outcome="made",reason="status"\} 2/);
  expect(metrics).toMatch(/mesh_mirrored_requests_total\{.*outcome="answered"\} [1-9]/);
  expect(metrics).toMatch(/mesh_mirror_comparisons_total\{.*difference="body"\} [1-9]/);
  expect(metrics).toMatch(/mesh_refusals_total\{.*reason="FI"\} 1/);
});

lonely(
  "examples/resilience: users come back, the dead are left alone, the far wait, and the slow are given up",
  async () => {
    const steps = await follow("examples/resilience/README.md");

    expect(said(steps, "x-user: alice")).toMatch(/^ +6 "name":"web-[12]"\n$/);
    expect(said(steps, "seq 60")).toMatch(/^ +\d+ "name":"web-1"\n +\d+ "name":"web-2"\n$/);
    expect(said(steps, "/beta")).toContain('"version":"v2"');
    expect(said(steps, "/slow/3000")).toBe("504\n");
    const clusters = said(steps, "/clusters");
    expect(clusters).toMatch(/127\.0\.0\.1:9003[\s\S]*"failedCheck": ?"ECONNREFUSED"/);
  },
);

const withRedis = testUnless((await withoutNamespaces()) ?? lacking({ programs: ["redis-server", "redis-cli"] }));

withRedis(
  "examples/tcp: Redis is reached through the mesh, by a listener and by CONNECT, and moved by a route",
  async () => {
    const steps = await follow("examples/tcp/README.md");

    const [before, after] = steps.filter(({ command }) => command === "redis-cli -p 7379 get greeting");
    expect([before!.stdout, after!.stdout]).toEqual(["hello from the first\n", "hello from the next\n"]);
    expect(said(steps, "telnet://")).toBe("+PONG\r\n+OK\r\n");
  },
);

lonely("README.md: by hand from a control plane to a first policy", async () => {
  const steps = await follow("README.md");

  const [hello, refused, admitted] = steps.filter(({ command }) => command.startsWith("curl -i"));
  expect(hello!.stdout).toMatch(/^HTTP\/1\.1 200 [\s\S]*x-mesh: hello/i);
  expect(said(steps, "mesh status")).toContain("spiffe://cluster.local/ns/default/sa/shop");
  expect(said(steps, "-o yaml")).toContain("kind: HTTPRoute");
  expect(refused!.stdout).toStartWith("HTTP/1.1 401 ");
  expect(admitted!.stdout).toStartWith("HTTP/1.1 200 ");
});

test("links in READMEs lead somewhere", async () => {
  const files = ["README.md", ...new Glob("{core,examples,plugins}/**/README.md").scanSync({ cwd: ROOT })];
  const broken: string[] = [];
  for (const file of files) {
    const links = [...(await Bun.file(join(ROOT, file)).text()).matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
    for (const [, link] of links) if (!existsSync(join(ROOT, dirname(file), link!))) broken.push(`${file} → ${link}`);
  }

  expect(files.length).toBeGreaterThan(5);
  expect(broken).toEqual([]);
});

test("the map of the house in README.md has every room", async () => {
  const readme = await Bun.file(join(ROOT, "README.md")).text();

  expect(readdirSync(join(ROOT, "core")).filter((room) => !readme.includes(` ${room}/ `))).toEqual([]);
});

/** What the first command with these words in it said. */
function said(steps: readonly Step[], words: string): string {
  const step = steps.find(({ command }) => command.includes(words));
  if (step === undefined) throw new Error(`Cannot find a command with "${words}" in the README`);
  return step.stdout;
}

/** Reads `uniq -c` of versions. */
function sharesOf(text: string): { readonly v1: number; readonly v2: number } {
  const count = (version: string): number => Number(new RegExp(`(\\d+) "version":"${version}"`).exec(text)?.[1] ?? 0);
  return { v1: count("v1"), v2: count("v2") };
}
