import { join } from "node:path";
import { assembleRootfs } from "../../scripts/rootfs.ts";
import { type Program, startBinary } from "./binary.ts";
import { eventually } from "./eventually.ts";
import { temporaryFolder } from "./folder.ts";
import { lacking, output } from "./program.ts";

const ROOT = join(import.meta.dir, "..", "..");
const TAG = "localhost/mesh:test";

/** Why no container can run here; null when one can. */
export function withoutContainers(): string | null {
  return lacking({ root: true, programs: ["buildah", "podman", "runc", "conmon"] });
}

export interface ContainerOptions {
  /** `none`, `host`, or `ns:/run/netns/NAME`. @default "none" */
  readonly network?: string;
  /** `host folder:path inside[:ro]`; the user inside is 1337. */
  readonly volumes?: readonly string[];
}

/** The image of the Containerfile, in a store of its own. */
export interface Image {
  /** Starts `mesh` in a container as hard as they get: no capability, read-only root, no way to gain rights. */
  start(args: readonly string[], options?: ContainerOptions): Promise<Program>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Builds the image from the sources as they are. */
export async function buildImage(): Promise<Image> {
  await assembleRootfs();
  const store = temporaryFolder();
  const storage = [
    "--root",
    join(store.path, "root"),
    "--runroot",
    join(store.path, "run"),
    "--storage-driver",
    "overlay",
  ];
  await output(["buildah", ...storage, "bud", "--isolation", "chroot", "-t", TAG, "-f", "Containerfile", "."], ROOT);
  // Not crun, which wants cgroups of one version; and limits that a container without rights may set.
  const podman = ["podman", ...storage, "--cgroup-manager", "cgroupfs", "--runtime", "runc"];
  const limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=20000:20000"];
  const hard = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
  return {
    start(args, { network = "none", volumes = [] } = {}) {
      const mounts = volumes.flatMap((volume) => ["--volume", volume]);
      const run = [...podman, "run", "--rm", ...limits, ...hard, "--network", network, ...mounts, TAG];
      return startBinary(args, { command: run });
    },
    async [Symbol.asyncDispose]() {
      await output([...podman, "rm", "--all", "--force"]);
      await output([...podman, "rmi", "--all", "--force"]);
      await eventually(() => store[Symbol.asyncDispose]());
    },
  };
}
