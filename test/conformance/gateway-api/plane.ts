import { join } from "node:path";
import type { ControlClient } from "../../../core/control/client/mod.ts";
import { type Folder, lacking, type Program, startBinary } from "../../harness/mod.ts";

const ANY = "127.0.0.1:0";
/** Side doors of every role, on ports that are free. */
export const DOORS: readonly string[] = ["--admin", ANY, "--health", ANY, "--metrics", ANY];

/** Words before a program that is to end with this process, even if that is killed; none where no program has them. */
export function mortal(): readonly string[] {
  return lacking({ programs: ["setpriv"] }) === null ? ["setpriv", "--pdeathsig", "KILL"] : [];
}

/** Where a proxy joins. */
export interface Plane {
  readonly client: ControlClient;
  readonly stream: string;
  readonly folder: Folder;
}

/** Starts a proxy that joins the mesh. */
export async function joinMesh(
  { client, stream, folder }: Plane,
  name: string,
  namespace: string,
  flags: readonly string[],
): Promise<Program> {
  const gateways = flags.includes("--gateway") ? ["*"] : [];
  const { token } = await client.createToken({ namespace, name, uses: 1, gateways });
  const at = join(folder.path, `${namespace}.${name}`);
  const words = ["proxy", "--name", name, "--namespace", namespace, "--control", stream, "--data", at];
  const program = await startBinary(
    [...words, ...flags, "--concurrency", "1", "--access-log", `${at}.log`, ...DOORS, "-o", "json"],
    { env: { MESH_JOIN_TOKEN: token }, prefix: mortal() },
  );
  await program.ready();
  return program;
}
