import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Condition, GatewayStatus, RouteStatus } from "../../core/compile/status.ts";
import { ControlClient } from "../../core/control/client/mod.ts";
import { type TestControl, testControl, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";
import { temporaryFolder } from "../harness/folder.ts";
import { keyPair } from "../harness/key-pair.ts";

const API = "gateway.networking.k8s.io/v1";
const EDGE = gatewayOf("edge", 80);
const SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
const POOL = "127.0.2.0/24";

test("a Gateway that is applied has its status at once, with generation and times", async () => {
  await using mesh = await testControl({ gatewayAddresses: POOL });
  await apply(mesh, EDGE);
  const first = await shown(mesh, "Gateway", "edge");

  expect(first.metadata).toMatchObject({ name: "edge", generation: 1 });
  expect(first.metadata["creationTimestamp"]).toBeString();
  const { lastTransitionTime, ...accepted } = first.status.conditions[0] as Timed;
  expect(accepted).toEqual({
    type: "Accepted",
    status: "True",
    reason: "Accepted",
    message: "",
    observedGeneration: 1,
  });
  expect(lastTransitionTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(first.status.addresses[0]?.value).toStartWith("127.0.2.");
  await apply(mesh, gatewayOf("edge", 8080));
  const second = await shown(mesh, "Gateway", "edge");
  expect(second.metadata.generation).toBe(2);
  expect(second.status.conditions.map(({ observedGeneration }) => observedGeneration)).toEqual([2, 2, 2]);
  expect(second.metadata.creationTimestamp).toBe(first.metadata.creationTimestamp);
});

test("what does not change a document's spec leaves its generation alone", async () => {
  await using mesh = await testControl();
  await apply(mesh, EDGE);
  await apply(mesh, EDGE.replace("name: edge", "name: edge, labels: {team: shop}"));
  const { metadata } = await shown(mesh, "Gateway", "edge");

  expect(metadata).toMatchObject({ generation: 1, labels: { team: "shop" } });
  await mesh.client.delete("Gateway", "default", "edge");
  await apply(mesh, gatewayOf("edge", 81));
  expect((await shown(mesh, "Gateway", "edge")).metadata.generation).toBe(1);
});

test("a restart keeps generations, times and addresses", async () => {
  await using data = temporaryFolder();
  let before: unknown;
  {
    await using mesh = await testControl({ data: data.path, gatewayAddresses: POOL });
    await apply(mesh, EDGE, gatewayOf("other", 80));
    await apply(mesh, gatewayOf("edge", 81));
    before = await shown(mesh, "Gateway", "edge");
  }
  await using mesh = await testControl({ data: data.path, gatewayAddresses: POOL });

  expect(await shown(mesh, "Gateway", "edge")).toEqual(before as Shown<GatewayStatus>);
});

test("a condition has the time at which it turned, however often it is confirmed", async () => {
  await using mesh = await testControl();
  await apply(mesh, SERVICE, EDGE, routeTo("web", "web"));
  const first = (await shown<RouteStatus>(mesh, "HTTPRoute", "web")).status.parents[0]!.conditions;
  await apply(mesh, routeTo("web", "gone"));
  const second = (await shown<RouteStatus>(mesh, "HTTPRoute", "web")).status.parents[0]!.conditions;

  expect(first.map(({ type, status }) => `${type} ${status}`)).toEqual(["Accepted True", "ResolvedRefs True"]);
  expect(second.map(({ type, status, reason }) => `${type} ${status} ${reason}`)).toEqual([
    "Accepted True Accepted",
    "ResolvedRefs False BackendNotFound",
  ]);
  expect(second[0]).toEqual({ ...first[0]!, observedGeneration: 2 });
});

test("a route that comes and goes is counted at once, and a grant that goes is missed", async () => {
  await using mesh = await testControl();
  const foreign = SERVICE.replace("name: web", "name: web, namespace: other");
  await apply(mesh, EDGE, foreign, routeTo("web", "web", "other"), GRANT);
  const resolved = async () => {
    const { status } = await shown<RouteStatus>(mesh, "HTTPRoute", "web");
    return status.parents[0]!.conditions[1]?.reason;
  };
  const attached = async () => (await shown(mesh, "Gateway", "edge")).status.listeners[0]?.attachedRoutes;

  expect([await resolved(), await attached()]).toEqual(["ResolvedRefs", 1]);
  await mesh.client.delete("ReferenceGrant", "other", "grant");
  expect(await resolved()).toBe("RefNotPermitted");
  await mesh.client.delete("HTTPRoute", "default", "web");
  expect(await attached()).toBe(0);
});

test("a status alone makes no new revision", async () => {
  await using mesh = await testControl();
  await apply(mesh, EDGE);
  const before = mesh.control.revision;
  await apply(
    mesh,
    `{apiVersion: ${API}, kind: GatewayClass, metadata: {name: mesh}, spec: {controllerName: mesh.dev/gateway-controller}}`,
  );

  expect((await shown(mesh, "GatewayClass", "mesh", "")).status.conditions[0]).toMatchObject({ reason: "Accepted" });
  expect(mesh.control.revision).toBe(before);
});

test("lists tell in short what the status says", async () => {
  await using mesh = await testControl({ gatewayAddresses: POOL });
  await apply(mesh, SERVICE, EDGE, routeTo("web", "web"));
  const rows = await mesh.client.resources();
  const state = (kind: string) => rows.find((row) => row.kind === kind)?.state;

  expect(state("Gateway")).toEqual({ accepted: "True", programmed: "True", addresses: [expect.any(String)] });
  expect(state("HTTPRoute")).toEqual({ accepted: "True" });
  expect(state("Service")).toBeUndefined();
});

test("what a Secret holds is told to administrators who ask, and to nobody else", async () => {
  await using mesh = await testControl();
  const { certificate, privateKey } = await keyPair();
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "pair" }, type: "kubernetes.io/tls" };
  const stringData = { "tls.crt": certificate, "tls.key": privateKey };
  await apply(mesh, JSON.stringify({ ...secret, stringData }));
  const viewer = await mesh.client.createApiToken("ci", "operator");
  const { host, port } = mesh.control.addresses.api;
  const others = new ControlClient({ url: `http://${host}:${port}`, token: viewer.token });

  const hidden = (await mesh.client.resource("Secret", "default", "pair")).document;
  expect(hidden).toMatchObject({ data: { "tls.crt": "(hidden)", "tls.key": "(hidden)" } });
  expect(JSON.stringify(hidden)).not.toContain("PRIVATE");
  await expect(others.resource("Secret", "default", "pair", true)).rejects.toThrow("admin is needed");
  const open = (await mesh.client.resource("Secret", "default", "pair", true)).document;
  expect(open).toMatchObject({ stringData });
  const audit = await Bun.file(join(mesh.data, "audit.log")).text();
  expect(audit.match(/"show secret".*/g)).toEqual(['"show secret","target":"Secret/default/pair"}']);
  expect(audit).not.toContain("PRIVATE");
  expect(mesh.lines.some((line) => line.includes("PRIVATE"))).toBe(false);
});

test("a proxy gets the Gateways it serves, with their keys, and another one nothing of them", async () => {
  await using mesh = await testControl();
  const { certificate, privateKey } = await keyPair();
  const stringData = { "tls.crt": certificate, "tls.key": privateKey };
  const secret = JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "pair" }, stringData });
  const tls = "tls: {certificateRefs: [{name: pair}]}";
  const listener = `{name: https, protocol: HTTPS, port: 443, ${tls}}`;
  await apply(mesh, secret, gatewayWith("edge", listener), gatewayOf("other", 80), SERVICE, routeTo("web", "web"));
  const join = async (name: string, gateways: readonly string[]) => {
    const { host, port } = mesh.control.addresses.stream;
    return testProxy({ control: { host, port }, token: await mesh.token(name, { gateways }), gateways });
  };
  await using edge = await join("edge", ["default/edge"]);
  await using all = await join("all", ["*"]);
  await using none = await join("none", []);

  await eventually(() => {
    expect(edge.plane.keys().toSorted()).toEqual(["cluster/default/web:80", "gateway/default/edge", "mesh/"]);
    expect(all.plane.keys().filter((key) => key.startsWith("gateway/"))).toEqual([
      "gateway/default/edge",
      "gateway/default/other",
    ]);
    expect(none.plane.keys()).toEqual(["mesh/"]);
  });
  const gateway = edge.plane.models.at(-1)?.resources.find(({ kind }) => kind === "gateway");
  expect(JSON.stringify(gateway)).toContain("PRIVATE KEY");
});

test("a proxy that says what it has bound as soon as it subscribes is heard, and stays", async () => {
  await using mesh = await testControl();
  await apply(mesh, EDGE);
  const control = mesh.control.addresses.stream;
  const token = await mesh.token("edge", { gateways: ["default/edge"] });
  const problems = [{ port: 80, address: "127.0.0.7", problem: "it is taken" }];
  const bound = { name: "default/edge", addresses: ["127.0.0.7"], problems };
  await using proxy = testProxy({ control, token, gateways: ["default/edge"] });

  proxy.discovery.report([bound]);

  await eventually(async () => expect((await mesh.client.status()).proxies[0]?.gateways).toEqual([bound]));
  expect(proxy.lines.filter((line) => line.includes("lost the control plane"))).toEqual([]);
  // Said again, and of Gateways that are none of its business, it changes nothing.
  proxy.discovery.report([bound, { ...bound, name: "default/other" }]);
  proxy.discovery.report([bound]);
  await proxy.discovery.want("later.default");
  expect(mesh.lines.filter((line) => line.includes("a gateway port is not served"))).toHaveLength(1);
});

test("a proxy whose token was not for a Gateway is not let in to serve it", async () => {
  await using mesh = await testControl();
  await apply(mesh, EDGE, gatewayOf("other", 80));
  const control = mesh.control.addresses.stream;
  const token = await mesh.token("edge", { gateways: ["default/other"] });
  await using proxy = testProxy({ control, token, gateways: ["default/edge"] });

  await eventually(() =>
    expect(proxy.discovery.state().lastError).toContain("mesh token create --gateway default/edge"),
  );
  expect(proxy.plane.models).toEqual([]);
});

test("only an administrator makes a token that opens a Gateway's keys", async () => {
  await using mesh = await testControl();
  const { token } = await mesh.client.createApiToken("ci", "operator");
  const { host, port } = mesh.control.addresses.api;
  const operator = new ControlClient({ url: `http://${host}:${port}`, token });
  const wanted = { namespace: "default", name: "edge" };

  await expect(operator.createToken({ ...wanted, gateways: ["*"] })).rejects.toThrow("admin is needed");
  expect((await operator.createToken(wanted)).token).toBeString();
  expect((await mesh.client.createToken({ ...wanted, gateways: ["*"] })).gateways).toEqual(["*"]);
});

const GRANT = `{apiVersion: ${API}, kind: ReferenceGrant, metadata: {name: grant, namespace: other},
  spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: "", kind: Service}]}}`;

type Timed = Condition & { readonly lastTransitionTime: string };

interface Shown<S> {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status: S;
}

async function shown<S = GatewayStatus>(mesh: TestControl, kind: string, name: string, namespace = "default") {
  return (await mesh.client.resource(kind, namespace, name)).document as Shown<S>;
}

async function apply(mesh: TestControl, ...texts: readonly string[]): Promise<void> {
  await mesh.client.apply({ files: [{ file: "test.yaml", text: texts.join("\n---\n") }] });
}

function gatewayOf(name: string, port: number): string {
  return gatewayWith(name, `{name: http, protocol: HTTP, port: ${port}}`);
}

function gatewayWith(name: string, listener: string): string {
  return `{apiVersion: ${API}, kind: Gateway, metadata: {name: ${name}}, spec: {gatewayClassName: mesh, listeners: [${listener}]}}`;
}

function routeTo(name: string, service: string, namespace = "default"): string {
  return `{apiVersion: ${API}, kind: HTTPRoute, metadata: {name: ${name}},
    spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: ${service}, namespace: ${namespace}, port: 80}]}]}}`;
}
