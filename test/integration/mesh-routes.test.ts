import { expect, test } from "bun:test";
import { startMesh } from "../harness/mesh.ts";
import { type Backend, connect, ok, startBackend } from "../harness/mod.ts";
import { toService } from "../harness/traffic.ts";

test("a backend in another namespace is reached while a grant there permits it, and not a request longer", async () => {
  await using real = await startBackend(ok("real"));
  await using other = await startBackend(ok("other"));
  const route = routeYaml("default", "default", "{name: db, namespace: data, port: 80}");
  await using mesh = await startMesh({
    config: [serviceYaml("web", "default", real), serviceYaml("db", "data", other), route].join("---\n"),
  });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const before = await client.request(toService("web"));
  await mesh.apply(GRANT);
  const granted = await client.request(toService("web"));
  await mesh.verb("delete", "referencegrant", "routes", "-n", "data", "--wait");
  const after = await client.request(toService("web"));

  expect([before.status, granted.status, after.status]).toEqual([500, 200, 500]);
  expect(granted.text).toBe("other");
  expect(real.requests).toEqual([]);
  expect(other.requests).toHaveLength(1);
});

test("a route of another namespace than its Service is for callers of its own namespace alone", async () => {
  await using real = await startBackend(ok("real"));
  await using stub = await startBackend(ok("stub"));
  const route = routeYaml("tests", "default", "{name: stub, port: 80}");
  await using mesh = await startMesh({
    config: [serviceYaml("web", "default", real), serviceYaml("stub", "tests", stub), route].join("---\n"),
  });
  const shop = await mesh.join("shop");
  const runner = await mesh.join("runner", { namespace: "tests" });
  await mesh.settled();
  await using fromShop = await connect(shop.outbound);
  await using fromRunner = await connect(runner.outbound);

  const [ofShop, ofRunner] = await Promise.all(
    [fromShop, fromRunner].map((client) => client.request(toService("web.default"))),
  );

  expect(ofShop?.text).toBe("real");
  expect(ofRunner?.text).toBe("stub");
  expect((await runner.lines(({ method }) => method === "GET"))[0]).toMatchObject({
    route_name: "HTTPRoute/tests/r/0",
  });
});

const GRANT = `apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: routes, namespace: data}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]
  to: [{group: "", kind: Service, name: db}]
`;

function routeYaml(namespace: string, parent: string, backend: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: ${namespace}}
spec:
  parentRefs: [{group: "", kind: Service, name: web, namespace: ${parent}}]
  rules: [{backendRefs: [${backend}]}]
`;
}

/** A Service with one app that has no sidecar. */
function serviceYaml(name: string, namespace: string, { port }: Backend): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {ports: [{name: http, port: 80, targetPort: ${port}}], selector: {app: ${name}}}
---
apiVersion: mesh.dev/v1
kind: Workload
metadata: {name: ${name}, namespace: ${namespace}}
spec: {address: 127.0.0.1, labels: {app: ${name}}, ports: [{port: ${port}}]}
`;
}
