import { join } from "node:path";
import { ControlClient } from "../../../core/control/client/mod.ts";
import { eventually, type Folder, type Program, runBinary, startBinary, temporaryFolder } from "../../harness/mod.ts";
import { type Cluster, podPort, startCluster } from "./cluster.ts";
import { type Manifest, MESH, manifestsIn, type Reference, referenceTo, textOf } from "./manifest.ts";
import { makePki, type Pki, pkiDocuments } from "./pki.ts";
import { DOORS, joinMesh, mortal, type Plane } from "./plane.ts";
import { type Sidecars, startSidecars } from "./sidecars.ts";

/** The mesh that a run's tests share: one control plane, one gateway, three sidecars, and pods behind them. */
export interface World {
  readonly client: ControlClient;
  readonly cluster: Cluster;
  readonly sidecars: Sidecars;
  readonly pki: Pki;
  /** Added to the port of every listener. */
  readonly portOffset: number;
  /** What a manifest's placeholder stands for. */
  fill(name: string): string;
  /** Applies documents, and the slices of their Services; resolves when every proxy runs them. */
  apply(manifests: readonly object[]): Promise<void>;
  /** Takes documents away; resolves when no proxy runs them any more, unless the next change will tell as well. */
  delete(references: readonly Reference[], waits?: boolean): Promise<void>;
  /** A document as `mesh get -o json` prints it: with its status. */
  read(reference: Reference): Promise<Readable>;
  /** A verb of the command line, as administrator. */
  verb(...words: readonly string[]): ReturnType<typeof runBinary>;
  stop(): Promise<void>;
}

/** A document with its status. */
export interface Readable extends Manifest {
  readonly metadata: Manifest["metadata"] & { readonly generation?: number };
  readonly status?: Readonly<Record<string, unknown>>;
}

export const VECTORS: string = join(import.meta.dir, "../../fixtures/vectors/gateway-api");
const ANY = "127.0.0.1:0";
/** Workload name of the gateway proxy. */
const GATEWAY = "conformance-gateway";
/** Proxies that a change does not concern are told within a fifth of a second: asking more often finds out no more. */
const POLL_MS = 20;
/** Ports of listeners are moved up, for those who may not bind those below 1024, or have other servers there. */
const OFFSET = 20_000;

/** Starts all of it from the suite's base manifests. `parts` leaves out what a run does not need. */
export async function startWorld(parts: { readonly mesh: boolean; readonly gateway: boolean }): Promise<World> {
  const folder = temporaryFolder();
  // Networks of its own, so that runs beside each other share no address.
  const network = `127.${64 + (process.pid % 128)}`;
  const pki = await makePki(folder);
  const control = await startControl(folder, parts.gateway ? ["--gateway-addresses", `${network}.2.0/24`] : []);
  const plane = await planeOf(control, folder);
  const base = await baseManifests(parts);
  const cluster = await startCluster(base.gateway, `${network}.1.`, pki);
  const gateway = parts.gateway ? await startGateway(plane) : null;
  const sidecars = await startSidecars(base.mesh, plane, pki, cluster.arrivals);
  const world: World = {
    ...{ client: plane.client, cluster, sidecars, pki, portOffset: OFFSET },
    ...documentsThrough(plane.client, cluster),
    fill: (name) => placeholder(name, `${network}.2`, cluster),
    verb: (...words) => runBinary([...words, "--control", plane.api, "--data", join(folder.path, "control")]),
    async stop() {
      cluster.stop();
      await sidecars.stop();
      for (const program of [gateway, control]) await program?.[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  try {
    await world.apply([...pkiDocuments(pki), ...base.gateway, ...sidecars.documents]);
    return world;
  } catch (error) {
    await world.stop();
    throw error;
  }
}

async function planeOf(control: Program, folder: Folder): Promise<Plane & { readonly api: string }> {
  const ready = await control.ready();
  const token = (await Bun.file(String(ready["adminToken"])).text()).trim();
  const api = `http://${ready["api"]}`;
  return { api, client: new ControlClient({ url: api, token }), stream: String(ready["stream"]), folder };
}

/** Documents in and out, as a user has them; the slices of Services go along with them. */
function documentsThrough(client: ControlClient, cluster: Cluster): Pick<World, "apply" | "delete" | "read"> {
  return {
    async apply(manifests) {
      const documents = manifests.filter((each) => (each as Manifest).kind !== "Deployment");
      const text = textOf([...documents, ...cluster.slices(documents as Manifest[])]);
      const { revision } = await client.apply({ files: [{ file: "test.yaml", text }] });
      await settled(client, revision, text);
    },
    async delete(references, waits = true) {
      let revision = "";
      for (const { kind, namespace, name } of references.toReversed()) {
        revision = (await client.delete(kind, namespace, name)).revision;
      }
      if (revision !== "" && waits) await settled(client, revision, JSON.stringify(references));
    },
    async read({ kind, namespace, name }) {
      return (await client.resource(kind, namespace, name)).document as Readable;
    },
  };
}

/** Documents of the suite; what only one kind of test needs is left out of runs without it. */
async function baseManifests(parts: { readonly mesh: boolean; readonly gateway: boolean }) {
  const read = async (file: string): Promise<readonly Manifest[]> =>
    manifestsIn(await Bun.file(join(VECTORS, "manifests", file)).text(), () => "mesh");
  return {
    gateway: parts.gateway ? await read("base/manifests.yaml") : [],
    mesh: parts.mesh ? await read("mesh/manifests.yaml") : [],
  };
}

function placeholder(name: string, gatewayNetwork: string, cluster: Cluster): string {
  if (name === "GATEWAY_CLASS_NAME") return "mesh";
  const [word, which = "", number = "1"] = name.split(" ");
  if (word === "GATEWAY_ADDRESS") return `${gatewayNetwork}.${which}`;
  if (word === "POD_PORT") return String(podPort(Number(which)));
  if (word === "POD_ADDRESS") return cluster.pods(which)[Number(number) - 1]?.address ?? "";
  throw new Error(`Cannot fill in {${name}}: there is no such placeholder`);
}

function startControl(folder: Folder, addresses: readonly string[]): Promise<Program> {
  const places = ["--data", join(folder.path, "control"), "--api", ANY, "--stream", ANY];
  return startBinary(["control", ...places, ...addresses, ...DOORS, "-o", "json"], { prefix: mortal() });
}

async function startGateway(plane: Plane): Promise<Program> {
  return await joinMesh(plane, GATEWAY, "default", ["--gateway", "*", "--gateway-port-offset", String(OFFSET)]);
}

/**
 * The proxies that a change is about run its revision; one that refuses it is
 * an error at once. Those that it does not concern hear of it later.
 */
async function settled(client: ControlClient, revision: string, change: string): Promise<void> {
  const isConcerned = (proxy: string): boolean => change.includes(MESH) || proxy.includes(GATEWAY);
  const refused = await eventually(async () => {
    const result = await client.revision(revision);
    const waiting = result.waiting.filter(isConcerned);
    if (waiting.length > 0 && result.refused.length === 0) {
      await Bun.sleep(POLL_MS);
      throw new Error(`Cannot wait for ${waiting} any longer`);
    }
    return result.refused;
  }, 10_000);
  if (refused.length > 0) throw new Error(`Cannot run ${revision}: ${JSON.stringify(refused)}`);
}

/** Names of what a test applied, for its end. */
export function referencesTo(manifests: readonly Manifest[]): readonly Reference[] {
  return manifests.filter(({ kind }) => kind !== "Deployment").map(referenceTo);
}
