import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { HttpEcho } from "./http.ts";
import type { Pod, PodTls } from "./pod.ts";

/** The service of the suite's backends; messages are bytes here, ours are JSON. */
export const GRPC_SERVICE = "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho";
const METHODS = ["Echo", "EchoTwo", "EchoThree"] as const;

/** What a gRPC backend saw of a call. */
export interface SeenCall {
  readonly pod: string;
  readonly namespace: string;
  readonly method: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

const same = (bytes: Buffer): Buffer => bytes;
const CODEC = {
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** Starts a gRPC echo that knows the three methods; with `tls` over TLS. */
export async function startGrpcEcho(pod: Pod, port: number, tls?: PodTls): Promise<HttpEcho> {
  const server = new Server();
  const paths = METHODS.map((name) => [name, { path: `/${GRPC_SERVICE}/${name}`, ...CODEC }] as const);
  const handlers = METHODS.map((name) => [name, echo(pod, name)] as const);
  server.addService(Object.fromEntries(paths), Object.fromEntries(handlers));
  const pair = tls && { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  const secure = pair ? ServerCredentials.createSsl(null, [pair]) : ServerCredentials.createInsecure();
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`${pod.address}:${port}`, secure, (error) => (error === null ? resolve() : reject(error))),
  );
  return { stop: () => server.forceShutdown() };
}

function echo(pod: Pod, method: string) {
  return (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
    const headers: Record<string, string[]> = {};
    for (const name of Object.keys(call.metadata.getMap())) headers[name] = call.metadata.get(name).map(String);
    const seen: SeenCall = { pod: pod.name, namespace: pod.namespace, method, host: call.getHost(), headers };
    done(null, Buffer.from(JSON.stringify(seen)));
  };
}

export interface GrpcCall {
  readonly method: string;
  readonly authority?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Root that the server must prove itself by; plaintext without. */
  readonly roots?: string;
}

/** One call on a channel of its own; the status code, and what the backend saw where that is OK. */
export async function callGrpc(
  address: string,
  port: number,
  { method, authority, metadata = {}, roots }: GrpcCall,
): Promise<{ readonly code: number; readonly details: string; readonly seen: SeenCall | null }> {
  const secure = roots === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(roots));
  const client = new Client(`${address}:${port}`, secure, {
    "grpc.use_local_subchannel_pool": 1,
    ...(authority !== undefined && { "grpc.default_authority": authority, "grpc.ssl_target_name_override": authority }),
  });
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.add(name, value);
  try {
    return await new Promise((resolve) =>
      client.makeUnaryRequest(
        `/${GRPC_SERVICE}/${method}`,
        same,
        same,
        Buffer.alloc(0),
        sent,
        { deadline: Date.now() + 3000 },
        (error, response) =>
          resolve({
            code: error?.code ?? 0,
            details: error?.details ?? "",
            seen: response === undefined ? null : JSON.parse(String(response)),
          }),
      ),
    );
  } finally {
    client.close();
  }
}
