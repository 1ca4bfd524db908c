import { expect, test } from "bun:test";
import { latin1 } from "../base/mod.ts";
import { normalizePath, PathScan } from "./path.ts";

test.each([
  ["/a/b/c", "/a/b/c"],
  ["/a/./b", "/a/b"],
  ["/a/../b", "/b"],
  ["/a/b/..", "/a/"],
  ["/a/b/.", "/a/b/"],
  ["/../../a", "/a"],
  ["/..", "/"],
  ["/a/b/../../../c/", "/c/"],
  ["/public/%2e%2E/admin", "/admin"],
  ["/%61dmin", "/admin"],
  ["/caf%c3%a9", "/caf%C3%A9"],
  ["/a%2fb", "/a%2Fb"],
  ["/.well-known/x", "/.well-known/x"],
  ["/a/...", "/a/..."],
  ["/a//b", "/a//b"],
  ["/a//../b", "/a/b"],
  ["/50%", "/50%"],
  ["/%zz/%4", "/%zz/%4"],
  ["*", "*"],
  ["", ""],
])("%p normalizes to %p", (path, expected) => {
  const into = Buffer.alloc(path.length);

  const length = normalizePath(latin1(path), 0, path.length, into);

  expect(into.latin1Slice(0, length)).toBe(expected);
});

test("a scan remembers the wanted ends of elements, ascending", () => {
  const scan = new PathScan(1);
  scan.reserve(8);

  scan.read(latin1("GET /a/bc/d"), 4, 11, marks(0, 2, 5, 6));

  expect([...scan.lengths.subarray(0, scan.count)]).toEqual([0, 2, 5]);
});

test("a scan hashes the normal form", () => {
  const [plain, dotted] = ["/admin", "/x/../%61dmin"].map((path) => {
    const scan = new PathScan(1);
    scan.read(latin1(path), 0, path.length, new Uint8Array(0));
    return scan.hash;
  });

  expect(dotted).toBe(plain!);
});

function marks(...lengths: readonly number[]): Uint8Array {
  const wanted = new Uint8Array(16);
  for (const length of lengths) wanted[length] = 1;
  return wanted;
}
