import { callGrpc } from "./echo/grpc.ts";
import { INFRA, manifestsIn } from "./manifest.ts";
import { ask, type Door, openDoor } from "./wire.ts";
import type { World } from "./world.ts";

/** Clients of a Gateway that no test touches, while all others come and go. */
export interface Steady {
  readonly requests: number;
  /** What was not answered by the backend, one line each. */
  readonly failures: readonly string[];
  /** Lets the requests under way end. */
  stop(): Promise<void>;
}

const MANIFESTS = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: steady, namespace: ${INFRA}}
spec:
  gatewayClassName: mesh
  listeners:
    - {name: http, port: 80, protocol: HTTP}
    - name: https
      port: 443
      protocol: HTTPS
      tls: {certificateRefs: [{name: tls-validity-checks-certificate}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: steady, namespace: ${INFRA}}
spec:
  parentRefs: [{name: steady}]
  hostnames: [example.org]
  rules: [{backendRefs: [{name: infra-backend-v1, port: 8080}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: steady, namespace: ${INFRA}}
spec:
  parentRefs: [{name: steady}]
  hostnames: [example.com]
  rules: [{backendRefs: [{name: grpc-infra-backend-v1, port: 8080}]}]
`;

/** Breath between requests: many in a run, and little work beside the tests. */
const PAUSE_MS = 50;

/** Starts clients of four kinds: new connections, a kept one, TLS, and gRPC. */
export async function startSteady(world: World, address: () => Promise<string>): Promise<Steady> {
  await world.apply(manifestsIn(MANIFESTS, world.fill));
  const host = await address();
  const plain: Door = { address: host, port: 80 + world.portOffset };
  const tls: Door = {
    address: host,
    port: 443 + world.portOffset,
    tls: { serverName: "example.org", roots: world.pki.listener.root },
  };
  const failures: string[] = [];
  let requests = 0;
  let isOver = false;
  const run = async (name: string, once: () => Promise<string | null>): Promise<void> => {
    while (!isOver) {
      const found = await once().catch((error: Error) => error.message);
      requests++;
      if (found !== null) failures.push(`${name}: ${found}`);
      await Bun.sleep(PAUSE_MS);
    }
  };
  const kept = await keptClient(plain);
  const clients = [
    run("new connections", () => statusOf(plain)),
    run("TLS", () => statusOf(tls)),
    run("one connection", () => kept.ask()),
    run("gRPC", async () => {
      const { code, details } = await callGrpc(plain.address, plain.port, { method: "Echo", authority: "example.com" });
      return code === 0 ? null : `${code} ${details}`;
    }),
  ];
  return {
    get requests() {
      return requests;
    },
    failures,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      kept.close();
    },
  };
}

async function statusOf(door: Door): Promise<string | null> {
  const { status } = await ask(door, "GET", "/", [["Host", "example.org"]]);
  return status === 200 ? null : String(status);
}

/** A client that keeps its connection from the first request to the last. */
async function keptClient(door: Door): Promise<{ ask(): Promise<string | null>; close(): void }> {
  const socket = await openDoor(door);
  let text = "";
  let wake: (() => void) | null = null;
  let isOpen = true;
  socket.on("error", () => {});
  socket.on("close", () => {
    isOpen = false;
    wake?.();
  });
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    if (text.endsWith("}")) wake?.();
  });
  return {
    async ask() {
      if (!isOpen) return "the connection was closed";
      text = "";
      const answered = new Promise<void>((resolve) => {
        wake = resolve;
      });
      socket.write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
      await answered;
      return text.startsWith("HTTP/1.1 200 ") ? null : text.slice(0, 80) || "the connection was closed";
    },
    close: () => void socket.destroy(),
  };
}
