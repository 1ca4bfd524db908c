import { startGrpcEcho } from "./echo/grpc.ts";
import { type HttpEcho, startHttp2Echo, startHttpEcho } from "./echo/http.ts";
import type { Arrivals, Pod, PodTls } from "./echo/pod.ts";
import { startDatagramEcho, startLineEcho } from "./echo/stream.ts";
import { type Manifest, referenceTo } from "./manifest.ts";
import type { Pki } from "./pki.ts";

/** What stands in for a cluster: the pods of Deployments, and the slices of Services. */
export interface Cluster {
  readonly arrivals: Arrivals;
  /** Pods of a Deployment, `<namespace>/<name>`. */
  pods(deployment: string): readonly Pod[];
  /** The EndpointSlice of every Service among these that selects pods here. */
  slices(manifests: readonly Manifest[]): readonly object[];
  stop(): void;
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly containers: readonly { readonly env?: readonly { readonly name: string }[] }[];
        readonly volumes?: readonly { readonly secret?: { readonly secretName: string } }[];
      };
    };
  };
}

interface Service extends Manifest {
  readonly spec: {
    readonly selector?: Labels;
    readonly ports: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number;
      readonly protocol?: string;
    }[];
  };
}

type Labels = Readonly<Record<string, string>>;
interface Group {
  readonly namespace: string;
  readonly labels: Labels;
  readonly pods: readonly Pod[];
}

/** Where a port of a container lies on this machine: free of rights, and of what others listen on. */
export function podPort(port: number): number {
  return port + 21_000;
}

/** Starts an echo server for every pod of the Deployments, on addresses of the prefix (`127.9.1.`). */
export async function startCluster(manifests: readonly Manifest[], prefix: string, pki: Pki): Promise<Cluster> {
  const arrivals: Arrivals = new Map();
  const groups: Group[] = [];
  const servers: HttpEcho[] = [];
  let count = 0;
  for (const each of manifests.filter(({ kind }) => kind === "Deployment")) {
    const { metadata, spec } = each as Deployment;
    const namespace = metadata.namespace ?? "default";
    const pods = Array.from({ length: spec.replicas ?? 1 }, (_, i) => {
      const name = `${metadata.name}-${i + 1}`;
      return { name, namespace, address: `${prefix}${++count}` };
    });
    groups.push({ namespace, labels: spec.template.metadata.labels, pods });
    for (const pod of pods) servers.push(...(await startPod(pod, each as Deployment, arrivals, pki)));
  }
  return {
    arrivals,
    pods: (deployment) =>
      groups.flatMap(({ pods }) =>
        pods.filter((pod) => `${pod.namespace}/${pod.name.replace(/-\d+$/, "")}` === deployment),
      ),
    slices: (documents) =>
      documents.flatMap((each) => (each.kind === "Service" ? slicesOf(each as Service, groups) : [])),
    stop: () => {
      for (const server of servers) server.stop();
    },
  };
}

async function startPod(pod: Pod, { metadata, spec }: Deployment, arrivals: Arrivals, pki: Pki): Promise<HttpEcho[]> {
  const env = new Set(spec.template.spec.containers.flatMap(({ env }) => env?.map(({ name }) => name) ?? []));
  const secret = spec.template.spec.volumes?.find((volume) => volume.secret)?.secret?.secretName;
  const tls =
    secret === undefined ? undefined : tlsOf(secret === "tls-checks-certificate" ? "backend" : "passthrough", pki);
  if (metadata.name === "coredns") return [await startDatagramEcho(pod, podPort(53))];
  if (env.has("TCP_ECHO_SERVER"))
    return await Promise.all([
      startLineEcho(pod, podPort(3000)),
      ...(tls ? [startLineEcho(pod, podPort(8443), tls)] : []),
    ]);
  if (env.has("GRPC_ECHO_SERVER"))
    return await Promise.all([
      startGrpcEcho(pod, podPort(3000)),
      ...(tls ? [startGrpcEcho(pod, podPort(8443), tls)] : []),
    ]);
  return await Promise.all([
    startHttpEcho(pod, podPort(3000), arrivals),
    startHttp2Echo(pod, podPort(3001), arrivals),
    ...(tls ? [startHttpEcho(pod, podPort(8443), arrivals, tls)] : []),
  ]);
}

function tlsOf(which: "backend" | "passthrough", pki: Pki): PodTls {
  return { cert: pki[which].certificate, key: pki[which].privateKey };
}

function slicesOf(service: Service, groups: readonly Group[]): readonly object[] {
  const { namespace, name } = referenceTo(service);
  const wanted = Object.entries(service.spec.selector ?? {});
  if (wanted.length === 0) return [];
  const found = groups.filter(
    (group) => group.namespace === namespace && wanted.every(([key, value]) => group.labels[key] === value),
  );
  if (found.length === 0) return [];
  return [
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: found.flatMap(({ pods }) => pods).map(({ address }) => ({ addresses: [address] })),
      ports: service.spec.ports.map((port) => {
        return {
          ...(port.name !== undefined && { name: port.name }),
          port: podPort(port.targetPort ?? port.port),
          ...(port.protocol !== undefined && { protocol: port.protocol }),
        };
      }),
    },
  ];
}
