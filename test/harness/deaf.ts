import { dlopen, ptr } from "bun:ffi";
import { eventually } from "./eventually.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;

/** A port whose handshakes do not end: its queue is full, and nobody takes anything out of it. */
export interface DeafPort {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Listens without ever accepting, and fills the queue. Linux drops the SYN of whoever comes next. */
export async function startDeafPort(): Promise<DeafPort> {
  const { symbols: libc } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  const address = new Uint8Array(new ArrayBuffer(16));
  address.set([AF_INET, 0, 0, 0, 127, 0, 0, 1]);
  const length = new Uint32Array(new ArrayBuffer(4)).fill(16);
  if (libc.bind(fd, ptr(address), 16) !== 0 || libc.listen(fd, 0) !== 0) throw new Error("Cannot listen: no free port");
  libc.getsockname(fd, ptr(address), ptr(length));
  const port = new DataView(address.buffer).getUint16(2);
  const opened: { terminate(): void }[] = [];
  let isFull = false;
  for (let i = 0; i < 4 && !isFull; i++) isFull = !(await opens(port, opened));
  if (!isFull) throw new Error("Cannot fill the queue of the deaf port");
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of opened) socket.terminate();
      libc.close(fd);
    },
  };
}

/** Whether a connection comes about; on loopback it does at once or never. */
async function opens(port: number, opened: { terminate(): void }[]): Promise<boolean> {
  const before = opened.length;
  Bun.connect({ hostname: "127.0.0.1", port, socket: { open: (socket) => void opened.push(socket), data() {} } }).catch(
    () => {},
  );
  return await eventually(() => opened.length > before, 200).catch(() => false);
}
