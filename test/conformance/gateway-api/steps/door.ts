import { referenceOf } from "../manifest.ts";
import type { Door, DoorTls } from "../wire.ts";
import type { World } from "../world.ts";
import type { Way } from "./model.ts";

/** The door of a step: a listener of a Gateway, or a destination behind a sidecar. */
export async function doorOf(
  world: World,
  where: {
    readonly gateway?: string | undefined;
    readonly mesh?: string | undefined;
    readonly to?: string | undefined;
  },
  way: Way,
): Promise<Door> {
  const tls = tlsOf(world, way);
  if (where.mesh !== undefined) {
    const port = world.sidecars.outbound(where.mesh);
    return { address: "127.0.0.1", port, tunnel: where.to ?? "echo:80", ...(tls && { tls }) };
  }
  const address = await addressOf(world, where.gateway ?? "");
  const port = (way.port ?? (tls === undefined ? 80 : 443)) + world.portOffset;
  return { address, port, ...(tls && { tls }) };
}

/** The first address in the status of a Gateway. */
export async function addressOf(world: World, gateway: string): Promise<string> {
  const { status } = await world.read(referenceOf(`Gateway ${gateway}`));
  const addresses = (status?.["addresses"] ?? []) as readonly { readonly value: string }[];
  if (addresses[0] === undefined) throw new Error(`Cannot connect to Gateway ${gateway}: its status has no address`);
  return addresses[0].value;
}

function tlsOf({ pki }: World, { sni, as, roots = "listener" }: Way): DoorTls | undefined {
  if (sni === undefined) return undefined;
  const own = as === undefined ? undefined : pki[as];
  return {
    roots: pki[roots].root,
    ...(sni !== true && { serverName: sni }),
    ...(own !== undefined && { certificate: own.certificate, privateKey: own.privateKey }),
  };
}
