import type { Backend } from "./backend.ts";
import type { Client, Response } from "./client.ts";
import { connect } from "./client.ts";
import { connectHttp2 } from "./http2.ts";

/** A request to a proxy, whatever version it goes by. */
export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

/** What came back: names in lower case. */
export interface Got {
  readonly status: number;
  readonly text: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  get(name: string): string | null;
}

/** Sends a request by HTTP/1.1. */
export async function byHttp1(port: number, sent: Sent): Promise<Got> {
  await using client: Client = await connect(port);
  const { method = "GET", path = "/", host = "web.test", fields = [], body } = sent;
  const request = { method, target: path, fields: [["Host", host], ...fields] as [string, string][] };
  const response: Response = await client.request(body === undefined ? request : { ...request, body });
  return gotOf(response.status, response.text, response.fields);
}

/** Sends a request by HTTP/2 without TLS. */
export async function byHttp2(port: number, sent: Sent): Promise<Got> {
  await using peer = await connectHttp2(port);
  const { method = "GET", path = "/", host = "web.test", fields = [], body = null } = sent;
  const pseudo = [
    [":method", method],
    [":scheme", "http"],
    [":path", path],
    [":authority", host],
  ] as const;
  const response = await peer.response(peer.request([...pseudo, ...fields], body));
  return gotOf(Number(response.status), response.body.toString(), response.fields);
}

function gotOf(status: number, text: string, lines: Got["fields"]): Got {
  const fields = lines.map(([name, value]) => [name.toLowerCase(), value] as const);
  return { status, text, fields, get: (name) => fields.find(([found]) => found === name)?.[1] ?? null };
}

/** A Service of the namespace `default` with one endpoint. */
export function serviceYaml(name: string, { port }: Pick<Backend, "port">): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{name: http, port: 80, appProtocol: http}]}
${endpointYaml(name, port)}`;
}

/** One more endpoint of a Service. */
export function endpointYaml(service: string, port: number): string {
  return `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-${port}, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: ${port}}]
`;
}

/** An HTTPRoute of `web` with these rules, each in YAML's flow style. */
export function routeYaml(...rules: readonly string[]): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
${rules.map((rule) => `  - ${rule}\n`).join("")}`;
}
