import { expect, test } from "bun:test";
import { requestHead } from "../../../test/harness/head.ts";
import { prefixLengthOf } from "../router.ts";
import { PathChange, WHOLE_PATH } from "./path-change.ts";

// Gateway API, HTTPPathModifier, the table of replacePrefixMatch.
test.each([
  ["/foo/bar", "/foo", "/xyz", "/xyz/bar"],
  ["/foo/bar", "/foo", "/xyz/", "/xyz/bar"],
  ["/foo/bar", "/foo/", "/xyz", "/xyz/bar"],
  ["/foo/bar", "/foo/", "/xyz/", "/xyz/bar"],
  ["/foo", "/foo", "/xyz", "/xyz"],
  ["/foo/", "/foo", "/xyz", "/xyz/"],
  ["/foo/bar", "/foo", "", "/bar"],
  ["/foo/", "/foo", "", "/"],
  ["/foo", "/foo", "", "/"],
  ["/foo/", "/foo", "/", "/"],
  ["/foo", "/foo", "/", "/"],
  ["/foo/bar", "/", "/xyz", "/xyz/foo/bar"],
])("the path %s whose prefix %s is replaced by %j becomes %s", (path, prefix, value, expected) => {
  expect(replaced(path, prefix, value)).toBe(expected);
});

test("what a rule matched in the path's normal form is what is cut", () => {
  expect(replaced("/x/../%66oo/b%2fr", "/foo", "/xyz")).toBe("/xyz/b%2Fr");
});

test("a target that is no path stays as it is", () => {
  expect(replaced("*", "/", "/xyz")).toBe("*");
});

test("a match that is no prefix is replaced whole", () => {
  expect(new PathChange({ type: "ReplacePrefixMatch", value: "/xyz" }).of(head("/foo/bar"), WHOLE_PATH)).toBe("/xyz");
});

test("a full path has a slash in front, and what no request line can have is escaped", () => {
  expect(full("a b/ü")).toBe("/a%20b/%C3%BC");
  expect(full("/a\r\nX: 1")).toBe("/a%0D%0AX:%201");
  expect(full("")).toBe("/");
});

function replaced(path: string, prefix: string, value: string): string {
  const length = prefixLengthOf({ path: { type: "PathPrefix", value: prefix } });
  return new PathChange({ type: "ReplacePrefixMatch", value }).of(head(path), length);
}

function full(value: string): string {
  return new PathChange({ type: "ReplaceFullPath", value }).of(head("/foo"), 0);
}

function head(target: string) {
  return requestHead({ target });
}
