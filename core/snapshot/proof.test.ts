import { expect, test } from "bun:test";
import { gatewayResource, listenerModel, webRule } from "../../test/harness/gateway.ts";
import type { ClusterModel } from "../cluster/mod.ts";
import type { Resource } from "./model.ts";
import { withProof } from "./proof.ts";

const PROOF = { certificate: "chain", privateKey: "key" };

test("a gateway that proves itself has clusters of its own, with its certificate, by the name they had", () => {
  const rule = webRule("r", "/", { mirrors: [{ cluster: "default/web:80", name: "web", fraction: 1 }] });
  const found = withProof([gateway("one", rule, PROOF), gateway("two", rule), cluster("default/web:80", true)]);

  const own = found.find(({ name }) => name === "default/web:80@default/one");
  expect(own?.model).toMatchObject({ name: "default/web:80", tls: { serverName: "web", proof: PROOF } });
  expect(JSON.stringify(found[0])).not.toContain('"cluster":"default/web:80"');
  expect(JSON.stringify(found[1])).not.toContain("@");
  expect(found).toHaveLength(4);
});

test("what is reached without TLS stays as it is, and a broken reference too", () => {
  const rule = webRule("r", "/", { backends: [{ cluster: null, name: "gone", weight: 1 }, ...webRule("x").backends] });
  const resources = [gateway("one", rule, PROOF), cluster("default/web:80", false)];

  expect(withProof(resources)).toEqual(resources);
});

test("without such a gateway nothing is copied", () => {
  const resources = [gateway("one", webRule("r")), cluster("default/web:80", true)];

  expect(withProof(resources)).toBe(resources);
});

test("another certificate of the gateway makes another version of its clusters", () => {
  const version = (proof: typeof PROOF) =>
    withProof([gateway("one", webRule("r"), proof), cluster("default/web:80", true)]).at(-1)!.version;

  expect(version(PROOF)).not.toBe(version({ ...PROOF, certificate: "newer" }));
});

function gateway(name: string, rule: ReturnType<typeof webRule>, backendCertificate?: typeof PROOF): Resource {
  const port = { port: 80, transport: "http" as const, listeners: [listenerModel("all", "", { "": [rule] })] };
  return gatewayResource([port], { name: `default/${name}`, ...(backendCertificate && { backendCertificate }) });
}

function cluster(name: string, isSecured: boolean): Resource {
  const model: ClusterModel = {
    name,
    service: { namespace: "default", name: "web", host: "web" },
    balancer: "RoundRobin",
    ...(isSecured && { tls: { serverName: "web" } }),
    endpoints: [],
    confirmedAt: 0,
  };
  return { kind: "cluster", name, version: "1", model };
}
