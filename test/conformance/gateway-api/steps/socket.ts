import { eventually } from "../../../harness/mod.ts";
import { INFRA } from "../manifest.ts";
import { type Door, talk } from "../wire.ts";
import type { World } from "../world.ts";
import { Differs } from "./compare.ts";
import { doorOf } from "./door.ts";
import type { SocketStep } from "./model.ts";
import { judgeShares } from "./shares.ts";

/** Says something over TCP, TLS or UDP until the right backend answers. */
export async function runSocket(world: World, step: SocketStep, patienceMs: number): Promise<void> {
  const name = step.tcp ?? step.udp ?? "";
  try {
    await eventually(async () => {
      const door = await doorOf(world, { gateway: name }, step);
      const speak = () => (step.udp === undefined ? overTcp(door) : overUdp(door));
      if (step.shares !== undefined)
        return await judgeShares(step.shares, step.times ?? 300, async () => podOf(await speak()));
      judge(step, await speak().catch(() => ""));
    }, patienceMs);
  } catch (error) {
    throw new Error(
      `${step.tcp === undefined ? "UDP" : "TCP"} at ${name} port ${step.port}: ${(error as Error).message}`,
    );
  }
}

function judge({ backend = "", namespace = INFRA, refused }: SocketStep, said: string): void {
  if (refused) {
    if (said !== "") throw new Differs("answer", "", said);
    return;
  }
  if (!said.startsWith(`${namespace}/${backend}`)) throw new Differs("answer", `${namespace}/${backend}`, said);
}

function podOf(said: string): string {
  return said.slice(said.indexOf("/") + 1).split(" ", 1)[0]!;
}

function overTcp(door: Door): Promise<string> {
  return talk(door, "hello\n", (text) => text.endsWith("hello\n"));
}

/** How long a datagram may be under way on this machine. */
const DATAGRAM_MS = 500;

async function overUdp({ address, port }: Door): Promise<string> {
  const answer = Promise.withResolvers<string>();
  const socket = await Bun.udpSocket({
    connect: { hostname: address, port },
    socket: {
      data: (_, bytes) => answer.resolve(bytes.toString("latin1")),
      error: () => answer.resolve(""),
    },
  });
  const late = setTimeout(() => answer.resolve(""), DATAGRAM_MS);
  try {
    socket.send("hello");
    return await answer.promise;
  } finally {
    clearTimeout(late);
    socket.close();
  }
}
