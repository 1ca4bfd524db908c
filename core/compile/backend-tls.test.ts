import { expect, test } from "bun:test";
import { type Document, isKind, parseText } from "../schema/mod.ts";
import { type Authorities, backendTlsStatuses, compileBackendTls } from "./backend-tls.ts";
import { Report } from "./report.ts";
import { servicesOf } from "./service.ts";
import { Membership } from "./workload.ts";

const SERVICES = `{apiVersion: v1, kind: Service, metadata: {name: web},
  spec: {ports: [{name: a, port: 443}, {name: b, port: 8443}, {name: dns, port: 53, protocol: UDP}]}}`;

test("a policy says how TLS is spoken to every port of its Service", () => {
  const { at, policies } = judged(
    policy("p", "{name: web}", {
      more: "subjectAltNames: [{type: URI, uri: 'spiffe://a/b'}, {type: Hostname, hostname: b.example}]",
    }),
  );

  const model = {
    serverName: "web.example",
    roots: "PEM of ca",
    names: [
      { type: "URI", value: "spiffe://a/b" },
      { type: "Hostname", value: "b.example" },
    ],
  };
  expect([...at] as unknown).toEqual([
    ["default/web:443", model],
    ["default/web:8443", model],
  ]);
  expect(outcome(policies)).toEqual([["Accepted", "ResolvedRefs"]]);
});

test("a policy for a port goes before that for its Service, and neither is in the other's way", () => {
  const { at, policies, problems } = judged(
    policy("all", "{name: web}", { hostname: "all.example", created: "2020-01-01T00:00:00Z" }),
    policy("one", "{name: web, sectionName: b}", { hostname: "one.example" }),
  );

  expect(at.get("default/web:443")?.serverName).toBe("all.example");
  expect(at.get("default/web:8443")?.serverName).toBe("one.example");
  expect(outcome(policies)).toEqual([
    ["Accepted", "ResolvedRefs"],
    ["Accepted", "ResolvedRefs"],
  ]);
  expect(problems).toEqual([]);
});

test("of two policies for one target the older wins, then the first by name", () => {
  const { at, policies, problems } = judged(
    policy("a", "{name: web}", { hostname: "newer.example", created: "2021-01-01T00:00:00Z" }),
    policy("c", "{name: web}", { hostname: "third.example", created: "2020-01-01T00:00:00Z" }),
    policy("b", "{name: web}", { hostname: "older.example", created: "2020-01-01T00:00:00Z" }),
  );

  expect(at.get("default/web:443")?.serverName).toBe("older.example");
  expect(policies.map(({ document }) => document.name)).toEqual(["b", "c", "a"]);
  expect(outcome(policies)).toEqual([
    ["Accepted", "ResolvedRefs"],
    ["Conflicted", "ResolvedRefs"],
    ["Conflicted", "ResolvedRefs"],
  ]);
  expect(problems).toHaveLength(2);
});

test("without authorities nobody is connected to, and in no case without TLS", () => {
  const { at, policies } = judged(
    policy("gone", "{name: web, sectionName: a}", { refs: "[{group: '', kind: ConfigMap, name: gone}]" }),
    policy("other", "{name: web, sectionName: b}", { refs: "[{group: '', kind: Secret, name: ca}]" }),
  );

  expect(at.get("default/web:443")).toEqual({ serverName: "web.example", invalid: "There is no gone" });
  expect(at.get("default/web:8443")?.invalid).toBe("It is no ConfigMap");
  expect(outcome(policies)).toEqual([
    ["NoValidCACertificate", "InvalidCACertificateRef"],
    ["NoValidCACertificate", "InvalidKind"],
  ]);
});

test("one authority of two is enough to connect by, and the other one is told of", () => {
  const refs = "[{group: '', kind: ConfigMap, name: gone}, {group: '', kind: ConfigMap, name: ca}]";
  const { at, policies } = judged(policy("p", "{name: web}", { refs }));

  expect(at.get("default/web:443")).toEqual({ serverName: "web.example", roots: "PEM of ca" });
  expect(outcome(policies)).toEqual([["Accepted", "InvalidCACertificateRef"]]);
});

test("the authorities of the system are used where they are asked for", () => {
  const { at } = judged(policy("p", "{name: web}", { refs: "", more: "wellKnownCACertificates: System" }));

  expect(at.get("default/web:443")).toEqual({ serverName: "web.example" });
});

test("a target that is not there is a warning", () => {
  const { at, problems } = judged(policy("p", "{name: gone}"), policy("q", "{name: web, sectionName: x}"));

  expect(at.size).toBe(0);
  expect(problems).toEqual([
    "spec.targetRefs[0] must name a Service: there is no Service default/gone: the policy has no effect there",
    "spec.targetRefs[0] must name a port of Service default/web: current value is x: the policy has no effect there",
  ]);
});

test("a policy has its conditions at every ancestor", () => {
  const { policies } = judged(policy("p", "{name: web}"));
  const ancestors = [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "edge" }];

  expect(policies.map(({ clusters }) => [...clusters])).toEqual([["default/web:443", "default/web:8443"]]);
  expect(backendTlsStatuses(policies, () => ancestors)).toMatchObject([
    {
      kind: "BackendTLSPolicy",
      namespace: "default",
      name: "p",
      status: {
        ancestors: [
          {
            ancestorRef: { kind: "Gateway", name: "edge" },
            controllerName: "mesh.dev/gateway-controller",
            conditions: [
              { type: "Accepted", status: "True", observedGeneration: 1 },
              { type: "ResolvedRefs", status: "True" },
            ],
          },
        ],
      },
    },
  ]);
});

/** Knows one ConfigMap: `ca`. */
const AUTHORITIES: Authorities = {
  roots(_, refs) {
    const judged = refs.map(({ kind, name }) => {
      if (kind !== "ConfigMap") return { reason: "InvalidCACertificateKind", message: "It is no ConfigMap" };
      return name === "ca" ? null : { reason: "InvalidCACertificateRef", message: `There is no ${name}` };
    });
    const roots = judged.includes(null) ? "PEM of ca" : "";
    return { roots, problem: judged.find((problem) => problem !== null) ?? null };
  },
};

function judged(...policies: readonly string[]) {
  const { documents, problems } = parseText({ file: "mesh.yaml", text: [SERVICES, ...policies].join("\n---\n") });
  expect(problems).toEqual([]);
  const report = new Report();
  const services = servicesOf(ofKind(documents, "Service"), new Membership([]), report);
  const around = { services, authorities: AUTHORITIES };
  const compiled = compileBackendTls(ofKind(documents, "BackendTLSPolicy"), around, report);
  return { ...compiled, problems: report.all().map(({ message }) => message) };
}

function ofKind<K extends Document["kind"]>(documents: readonly Document[], kind: K) {
  return documents.filter((document) => isKind(document, kind)) as Extract<Document, { kind: K }>[];
}

function outcome(policies: ReturnType<typeof judged>["policies"]) {
  return policies.map(({ findings }) => findings.map(({ reason }) => reason));
}

interface Given {
  readonly hostname?: string;
  readonly created?: string;
  readonly refs?: string;
  readonly more?: string;
}

function policy(name: string, target: string, given: Given = {}): string {
  const {
    hostname = "web.example",
    created = "",
    refs = "[{group: '', kind: ConfigMap, name: ca}]",
    more = "",
  } = given;
  const age = created === "" ? "" : `, creationTimestamp: "${created}"`;
  const certificates = refs === "" ? "" : `caCertificateRefs: ${refs},`;
  return `{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {name: ${name}${age}},
    spec: {targetRefs: [${target.replace("{", "{group: '', kind: Service, ")}], validation: {${certificates} hostname: ${hostname}, ${more}}}}`;
}
