import { expect, test } from "bun:test";
import { memoryLimit } from "./memory-limit.ts";

test("version 2: the tightest limit of the group and of those above it counts", () => {
  const files = {
    "/proc/self/cgroup": "0::/kubepods/pod1/mesh\n",
    "/sys/fs/cgroup/kubepods/memory.max": "1000000000\n",
    "/sys/fs/cgroup/kubepods/pod1/memory.max": "67108864\n",
    "/sys/fs/cgroup/kubepods/pod1/mesh/memory.max": "max\n",
  };

  expect(memoryLimit(reader(files))).toBe(67108864);
});

test("version 2 in a container of its own: the root is the container", () => {
  expect(memoryLimit(reader({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "100663296\n" }))).toBe(
    100663296,
  );
});

test("version 1: the memory controller's group counts, by the host's path or the container's own root", () => {
  const cgroup = "5:cpu,cpuacct:/a\n4:memory:/docker/abc\n0::/\n";
  const host = { "/proc/self/cgroup": cgroup, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "50331648\n" };
  const inside = { "/proc/self/cgroup": cgroup, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "33554432\n" };

  expect(memoryLimit(reader(host))).toBe(50331648);
  expect(memoryLimit(reader(inside))).toBe(33554432);
});

test("no group, no controller and no limit leave it infinite or as large as the kernel says", () => {
  const unlimited = {
    "/proc/self/cgroup": "4:memory:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
  };

  expect(memoryLimit(reader({}))).toBe(Number.POSITIVE_INFINITY);
  expect(memoryLimit(reader({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n" }))).toBe(
    Number.POSITIVE_INFINITY,
  );
  expect(memoryLimit(reader(unlimited))).toBeGreaterThan(2 ** 60);
});

function reader(files: Readonly<Record<string, string>>): (path: string) => string | null {
  return (path) => files[path] ?? null;
}
