import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import type { HttpEcho } from "./http.ts";
import { listening, type Pod, type PodTls } from "./pod.ts";

/** Starts an echo of lines over TCP, or TLS: each comes back behind `<namespace>/<pod>`. */
export async function startLineEcho(pod: Pod, port: number, tls?: PodTls): Promise<HttpEcho> {
  const serve = (socket: Socket): void => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => socket.write(`${pod.namespace}/${pod.name} ${bytes.toString("latin1")}`));
  };
  const server = tls === undefined ? createServer(serve) : (createTls({ ...tls }, serve) as unknown as Server);
  await listening(server as never, port, pod.address);
  return { stop: () => void server.close() };
}

/** The same for datagrams. */
export async function startDatagramEcho(pod: Pod, port: number): Promise<HttpEcho> {
  const socket = await Bun.udpSocket({
    hostname: pod.address,
    port,
    socket: {
      data(self, bytes, from, address) {
        self.send(`${pod.namespace}/${pod.name} ${bytes.toString("latin1")}`, from, address);
      },
    },
  });
  return { stop: () => socket.close() };
}
