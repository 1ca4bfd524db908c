/** Reads a file that the kernel makes; null where there is none. */
export type ReadText = (path: string) => string | null;

/**
 * The bytes that this process may use, by the tightest of its control groups;
 * infinite without any. Knows versions 1 and 2 of the interface, also from
 * within a container, where the path it is told may be the host's.
 */
export function memoryLimit(read: ReadText): number {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  const limits = lines.flatMap(([, controllers, ...rest]) => {
    const path = rest.join(":");
    if (controllers === "") return limitsAbove("/sys/fs/cgroup", path, "memory.max", read);
    const isMemory = controllers?.split(",").includes("memory") ?? false;
    return isMemory ? limitsAbove("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", read) : [];
  });
  return Math.min(Number.POSITIVE_INFINITY, ...limits);
}

/** What the groups say from the named one up to the root: each holds for those below it. */
function limitsAbove(root: string, path: string, file: string, read: ReadText): number[] {
  const names = path.split("/").filter((name) => name !== "");
  const folders = [root, ...names.map((_, i) => `${root}/${names.slice(0, i + 1).join("/")}`)];
  return folders.map((folder) => limitOf(read(`${folder}/${file}`)));
}

function limitOf(text: string | null): number {
  const bytes = Number.parseInt(text ?? "", 10);
  return Number.isNaN(bytes) ? Number.POSITIVE_INFINITY : bytes;
}
