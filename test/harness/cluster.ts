import { type Backend, ok, startBackend } from "./backend.ts";
import { connect, type Response } from "./client.ts";
import type { FieldLines } from "./message.ts";
import { type Plane, startPlane } from "./plane.ts";

/** A Service of several backends behind one proxy, with a TrafficPolicy. */
export interface ServedCluster {
  readonly plane: Plane;
  readonly backends: readonly Backend[];
  /** A request for the Service on a connection of its own. */
  get(path?: string, fields?: FieldLines): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts `count` backends that answer with their numbers. `policy` is the spec of a TrafficPolicy without its targets. */
export async function startCluster(count: number, policy: string, more = ""): Promise<ServedCluster> {
  const backends = await Promise.all(Array.from({ length: count }, (_, i) => startBackend(ok(`${i}`))));
  const config = `${clusterYaml(
    backends.map(({ port }) => port),
    policy,
  )}${more === "" ? "" : `---\n${more}`}`;
  const plane = await startPlane(backends[0]!.port, { config });
  return {
    plane,
    backends,
    async get(path = "/", fields = []) {
      await using client = await connect(plane.forwardPort);
      return await client.get(`http://multi${path}`, [["Host", "multi"], ...fields]);
    },
    async [Symbol.asyncDispose]() {
      await plane[Symbol.asyncDispose]();
      for (const backend of backends) await backend[Symbol.asyncDispose]();
    },
  };
}

function clusterYaml(ports: readonly number[], policy: string): string {
  const workloads = ports.map(
    (port, i) => `---
{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: multi-${i}},
  spec: {address: 127.0.0.1, service: multi, labels: {number: "${i}"}, ports: [{port: ${port}, name: http}]}}
`,
  );
  return `apiVersion: v1
kind: Service
metadata: {name: multi}
spec: {ports: [{name: http, port: 80, targetPort: http}]}
${workloads.join("")}---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: multi}
spec: {targetRefs: [{kind: Service, name: multi}], ${policy}}
`;
}
