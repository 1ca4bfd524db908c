import { createServer, type Server } from "node:net";
import { eventually } from "../../../harness/mod.ts";
import { callGrpc } from "../echo/grpc.ts";
import { INFRA, MESH } from "../manifest.ts";
import { type Door, openDoor } from "../wire.ts";
import type { World } from "../world.ts";
import { Differs, judgeHeaders, same } from "./compare.ts";
import { doorOf } from "./door.ts";
import type { Call, GrpcStep } from "./model.ts";
import { judgeShares } from "./shares.ts";

/** Makes the calls of a step, each until it comes to what the test says. */
export async function runGrpc(world: World, step: GrpcStep, patienceMs: number): Promise<void> {
  for (const each of step.calls) {
    const call = step.mesh === undefined ? each : { namespace: MESH, ...each };
    try {
      await eventually(() => tryCall(world, step, call), patienceMs);
    } catch (error) {
      throw new Error(`gRPC ${call.call} at ${step.grpc ?? step.to}: ${(error as Error).message}`);
    }
  }
}

async function tryCall(world: World, step: GrpcStep, call: Call): Promise<void> {
  const door = await doorOf(world, { gateway: step.grpc, mesh: step.mesh, to: step.to }, step);
  const relay = door.tunnel === undefined ? null : await startRelay(door);
  try {
    const [address, port] = relay === null ? [door.address, door.port] : ["127.0.0.1", relay.port];
    const authority = call.host ?? step.to ?? (typeof step.sni === "string" ? step.sni : undefined);
    const make = () =>
      callGrpc(address, port, {
        method: call.call,
        ...(authority !== undefined && { authority }),
        ...(call.metadata && { metadata: call.metadata }),
        ...(door.tls && { roots: door.tls.roots }),
      });
    if (call.shares !== undefined)
      return await judgeShares(call.shares, call.times ?? 300, async () => (await make()).seen?.pod ?? "");
    judgeCall(call, await make());
  } finally {
    relay?.server.close();
  }
}

function judgeCall(call: Call, { code, details, seen }: Awaited<ReturnType<typeof callGrpc>>): void {
  if ((call.code ?? 0) !== code) throw new Differs("grpc-status", call.code ?? 0, `${code} ${details}`);
  if (call.backend === undefined) return;
  if (!seen?.pod.startsWith(call.backend)) throw new Differs("backend", call.backend, seen?.pod);
  same("namespace", call.namespace ?? INFRA, seen.namespace);
  same("method the backend saw", call.call, seen.method);
  judgeHeaders(call.seen ?? {}, seen.headers);
}

/** A port whose connections go through a tunnel, for clients that know none. */
function startRelay(door: Door): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((near) => {
    near.pause();
    near.on("error", () => near.destroy());
    openDoor(door).then(
      (far) => {
        far.on("error", () => near.destroy());
        near.pipe(far);
        far.pipe(near);
        near.resume();
      },
      () => near.destroy(),
    );
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () =>
      resolve({ port: (server.address() as { readonly port: number }).port, server }),
    ),
  );
}
