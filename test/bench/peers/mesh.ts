import { binaryPath, runBinary } from "../../harness/mod.ts";
import type { Hop, Peer } from "../peer.ts";

export const mesh: Peer = {
  name: "mesh",
  bytes: true,
  policy: "the builtin canary, an Extism plugin in WASM",
  async lacking() {
    const { stdout } = await runBinary(["--help"]);
    return /^ +proxy /m.test(stdout) ? null : "there is no mesh proxy yet";
  },
  async command(hop) {
    await hop.folder.write("config/web.yaml", resources(hop));
    const { accepts, dials, admin, port, plainPort, identity } = hop;
    const tls = accepts === "tls" || dials === "tls";
    const atEdge = accepts === "edge";
    if (atEdge) await hop.folder.write("config/edge.yaml", gateway(hop));
    return [
      await binaryPath(),
      "proxy",
      ...["--config", `${hop.folder.path}/config`],
      ...(atEdge
        ? ["--gateway", "edge", "--gateway-bind", "127.0.0.1"]
        : ["--listen", `127.0.0.1:${port}=web${accepts === "tls" ? ",tls" : ""}`]),
      ...["--listen", `127.0.0.1:${plainPort}=web`],
      ...(tls ? ["--identity", identity.files] : []),
      ...(dials === "tls" ? ["--upstream-tls"] : []),
      ...["--admin", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", `127.0.0.1:${admin}`],
      ...["--concurrency", "1", "--access-log", "off", "-o", "json"],
    ];
  },
};

/** Between two of ours, requests share HTTP/2 connections, as proxies of one mesh do by themselves. */
function resources({ upstream, policy, dials, speaks, bytes }: Hop): string {
  const protocol = bytes ? "tcp" : dials === "tls" || speaks === "http2" ? "http2" : "http";
  return `${policy ? CANARY : ""}apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ name: http, port: 80, appProtocol: ${protocol} }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${upstream} }]
endpoints: [{ addresses: [127.0.0.1] }]
${bytes ? "" : ROUTE}`;
}

const ROUTE = `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /api } }]
      backendRefs: [{ name: web, port: 80 }]
`;

function gateway({ port, identity: { certificate, privateKey } }: Hop): string {
  const encoded = (text: string): string => Buffer.from(text).toString("base64");
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  gatewayClassName: mesh
  listeners:
    - { name: https, port: ${port}, protocol: HTTPS, tls: { certificateRefs: [{ name: pair }] } }
---
apiVersion: v1
kind: Secret
metadata: { name: pair }
type: kubernetes.io/tls
data: { tls.crt: ${encoded(certificate)}, tls.key: ${encoded(privateKey)} }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: edge }
spec:
  parentRefs: [{ name: edge }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /api } }]
      backendRefs: [{ name: web, port: 80 }]
`;
}

const CANARY = `apiVersion: mesh.dev/v1
kind: Plugin
metadata: { name: canary }
spec:
  targetRefs: [{ kind: HTTPRoute, name: web }]
  source: { builtin: canary }
  phase: Routing
  config: { header: x-tester, destination: web }
---
`;
