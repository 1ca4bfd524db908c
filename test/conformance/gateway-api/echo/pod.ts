import type { Server } from "node:http";

/** A running instance of a backend, as the suite's Deployments name them. */
export interface Pod {
  readonly name: string;
  readonly namespace: string;
  /** A loopback address of its own: ports are those of the manifests. */
  readonly address: string;
}

/** What a backend saw of a request. */
export interface Seen {
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly proto: string;
  /** Lower case; several lines of a field in their order. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly namespace: string;
  readonly pod: string;
  /** Requests with the same `echo-key` so far. */
  readonly attempts: number;
  /** Absent without TLS. */
  readonly tls?: SeenTls;
}

export interface SeenTls {
  readonly version: string;
  readonly serverName: string;
  /** PEM, if the client proved itself. */
  readonly peerCertificate?: string;
}

/** Certificates of pods that serve TLS. */
export interface PodTls {
  readonly cert: string;
  readonly key: string;
}

/** What arrived where: `<deployment> <echo-key>` to the number of requests. */
export type Arrivals = Map<string, number>;

/** Binds to a port of a pod; ports that need rights are moved up by those that announce them. */
export function listening(server: Pick<Server, "listen" | "once">, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => resolve());
  });
}
