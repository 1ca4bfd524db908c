import { expect, test } from "bun:test";
import type { FaultModel } from "../route/mod.ts";
import { parseDocuments } from "../schema/mod.ts";
import type { ServiceModel } from "../snapshot/mod.ts";
import { compile } from "./mod.ts";

const MANIFESTS = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ name: http, port: 80 }, { name: admin, port: 81 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
    - { name: slow, matches: [{ path: { value: /slow } }], backendRefs: [{ name: web, port: 80 }] }
    - { backendRefs: [{ name: web, port: 80 }] }
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: { name: everywhere }
spec: { targetRefs: [{ kind: Service, name: web }], abort: { grpcStatus: 14, percent: 5 } }
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: { name: rule }
spec:
  targetRefs: [{ kind: HTTPRoute, name: web, sectionName: slow }]
  matches: [{ method: GET, headers: [{ name: X-Tester, value: "1" }] }]
  delay: { fixed: 2s, percent: 50 }
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: { name: port }
spec: { targetRefs: [{ kind: Service, name: web, sectionName: admin }], abort: { status: 503 } }
`;

test("a fault reaches the rules of what it is attached to, the nearest first", () => {
  const [http, admin] = portsOf(MANIFESTS);

  expect(http).toEqual({
    "HTTPRoute/default/web/slow": ["Fault/default/rule", "Fault/default/everywhere"],
    "HTTPRoute/default/web/1": ["Fault/default/everywhere"],
  });
  expect(admin).toEqual({ "Service/default/web": ["Fault/default/port", "Fault/default/everywhere"] });
});

test("a fault says how often, how long and what of", () => {
  const faults = faultsOf(MANIFESTS);

  expect(faults.get("Fault/default/rule")).toEqual({
    id: "Fault/default/rule",
    matches: [
      {
        path: { type: "PathPrefix", value: "/" },
        method: "GET",
        headers: [{ name: "x-tester", type: "Exact", value: "1" }],
      },
    ],
    delay: { ms: 2000, fraction: 0.5 },
  });
  expect(faults.get("Fault/default/everywhere")?.abort).toEqual({ grpcStatus: 14, fraction: 0.05 });
});

function serviceOf(text: string): ServiceModel {
  const { documents } = parseDocuments([{ file: "mesh.yaml", text }]);
  return compile(documents, []).resources.find(({ kind }) => kind === "service")?.model as ServiceModel;
}

function portsOf(text: string): Record<string, string[]>[] {
  return serviceOf(text).ports.map(({ rules }) =>
    Object.fromEntries(rules.map(({ id, faults = [] }) => [id, faults.map((fault) => fault.id)])),
  );
}

function faultsOf(text: string): Map<string, FaultModel> {
  const faults = serviceOf(text).ports.flatMap(({ rules }) => rules.flatMap((rule) => rule.faults ?? []));
  return new Map(faults.map((fault) => [fault.id, fault]));
}
