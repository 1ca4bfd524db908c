import { expect, test } from "bun:test";
import { droppable } from "./mapping.ts";

test("code and constants of the file are droppable", () => {
  const smaps = mapping("00400000-00403000 r--p") + mapping("00403000-00503000 r-xp");

  expect(droppable(smaps, "/usr/bin/mesh")).toEqual([
    { address: 0x400000, length: 0x3000 },
    { address: 0x403000, length: 0x100000 },
  ]);
});

test("a mapping that can be written to is never dropped, whatever its pages", () => {
  expect(droppable(mapping("00400000-00403000 rw-p") + mapping("00500000-00501000 -w-p"), "/usr/bin/mesh")).toEqual([]);
});

test("a mapping with a private page is never dropped, though it is read-only", () => {
  expect(droppable(mapping("00400000-00403000 r--p", { anonymous: 4 }), "/usr/bin/mesh")).toEqual([]);
});

test("a mapping of which it is not said how many pages are private is never dropped", () => {
  const smaps = mapping("00400000-00403000 r--p").replace(/Anonymous:.*\n/, "");

  expect(droppable(smaps + mapping("00500000-00501000 rw-p"), "/usr/bin/mesh")).toEqual([]);
});

test("shared mappings, other files and memory without a file are left alone", () => {
  const smaps = [
    mapping("00400000-00403000 r--s"),
    mapping("00500000-00501000 r-xp", { path: "/usr/lib/libc.so.6" }),
    mapping("00500000-00501000 r-xp", { path: "/usr/bin/mesh-other" }),
    mapping("00600000-00601000 r--p", { path: "" }),
  ];

  expect(droppable(smaps.join(""), "/usr/bin/mesh")).toEqual([]);
});

test("high addresses, names with spaces and deleted files are read as they stand", () => {
  const smaps = mapping("7f1234567000-7f123456a000 r-xp", { path: "/opt/my mesh (deleted)" });

  expect(droppable(smaps, "/opt/my mesh (deleted)")).toEqual([{ address: 0x7f1234567000, length: 0x3000 }]);
});

function mapping(head: string, { anonymous = 0, path = "/usr/bin/mesh" } = {}): string {
  return `${head} 00001000 fe:01 12345                      ${path}
Size:               1024 kB
KernelPageSize:        4 kB
Rss:                1000 kB
Private_Clean:      1000 kB
Anonymous:             ${anonymous} kB
LazyFree:              0 kB
VmFlags: rd ex mr mw me sd
`;
}
