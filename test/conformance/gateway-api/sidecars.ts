import { createServer } from "node:net";
import type { Program } from "../../harness/mod.ts";
import { startGrpcEcho } from "./echo/grpc.ts";
import { type HttpEcho, startHttpEcho } from "./echo/http.ts";
import type { Arrivals, Pod } from "./echo/pod.ts";
import { startLineEcho } from "./echo/stream.ts";
import { type Manifest, MESH } from "./manifest.ts";
import type { Pki } from "./pki.ts";
import { joinMesh, type Plane } from "./plane.ts";

/** Pods of the mesh, each with its sidecar. */
export interface Sidecars {
  /** Documents beside them: namespaces, and Services whose target ports are named. */
  readonly documents: readonly object[];
  /** Port of the forward proxy of a workload: `echo-v1`, `echo-v2`, or `consumer`. */
  outbound(workload: string): number;
  stop(): Promise<void>;
}

const CONSUMER = `${MESH}-consumer`;
/** What the suite's mesh backends serve, by container port. */
const SERVED = { 8080: "http", 8443: "tcp", 9090: "tcp", 7070: "http" } as const;

interface Member {
  readonly key: string;
  readonly program: Program;
  readonly outbound: number;
}

/** Starts the app and the sidecar of every Deployment. All of them share 127.0.0.1: ports are free ones, by name. */
export async function startSidecars(
  manifests: readonly Manifest[],
  plane: Plane,
  pki: Pki,
  arrivals: Arrivals,
): Promise<Sidecars> {
  const servers: HttpEcho[] = [];
  const members = await Promise.all(
    manifests
      .filter(({ kind }) => kind === "Deployment")
      .map(async ({ metadata }): Promise<Member> => {
        const namespace = metadata.namespace ?? "default";
        const pod = { name: `${metadata.name}-1`, namespace, address: "127.0.0.1" };
        const ports = await startApp(pod, pki, arrivals, servers);
        const flags = ports.flatMap(([container, port]) => ["--port", `${port}:p${container}/${SERVED[container]}`]);
        const version = metadata.name.split("-").at(-1) ?? "";
        const labels = ["--label", "app=echo", "--version", version];
        const words = [...flags, ...labels, "--inbound", "127.0.0.1:0", "--outbound", "127.0.0.1:0"];
        const program = await joinMesh(plane, metadata.name, namespace, words);
        const outbound = String((await program.ready())["outbound"]);
        const key = namespace === CONSUMER ? "consumer" : metadata.name;
        return { key, program, outbound: Number(outbound.split(":").at(-1)) };
      }),
  );
  return {
    documents: manifests.filter(({ kind }) => kind !== "Deployment").map(named),
    outbound(workload) {
      const found = members.find(({ key }) => key === workload);
      if (found === undefined) throw new Error(`Cannot send as "${workload}": no such workload is there`);
      return found.outbound;
    },
    async stop() {
      for (const server of servers) server.stop();
      await Promise.all(members.map(({ program }) => program[Symbol.asyncDispose]()));
    },
  };
}

type ContainerPort = keyof typeof SERVED;

async function startApp(
  pod: Pod,
  pki: Pki,
  arrivals: Arrivals,
  servers: HttpEcho[],
): Promise<readonly (readonly [ContainerPort, number])[]> {
  const [http, https, tcp, grpc] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const tls = { cert: pki.backend.certificate, key: pki.backend.privateKey };
  servers.push(
    await startHttpEcho(pod, http!, arrivals),
    await startHttpEcho(pod, https!, arrivals, tls),
    await startLineEcho(pod, tcp!),
    await startGrpcEcho(pod, grpc!),
  );
  return [
    [8080, http!],
    [8443, https!],
    [9090, tcp!],
    [7070, grpc!],
  ];
}

/** Asks the kernel; nobody else is given the port in between. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { readonly port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

interface ServiceSpec {
  readonly ports: readonly { readonly port: number; readonly targetPort?: number }[];
}

/** A Service whose target ports are names, since every pod here has ports of its own. */
function named(manifest: Manifest): object {
  if (manifest.kind !== "Service") return manifest;
  const spec = manifest.spec as unknown as ServiceSpec;
  const ports = spec.ports.map((port) => ({ ...port, targetPort: `p${port.targetPort ?? port.port}` }));
  return { ...manifest, spec: { ...spec, ports } };
}
