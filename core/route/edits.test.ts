import { expect, test } from "bun:test";
import { requestHead, responseHead } from "../../test/harness/head.ts";
import { compileEdits, type HeaderEdits, InvalidHeaderEdit } from "./edits.ts";
import type { HeaderEditsModel } from "./model.ts";

test("set lines stand before added ones, with the author's spelling", () => {
  const edits = compileEdits({ add: [{ name: "X-Add", value: "1" }], set: [{ name: "X-Set", value: " two " }] })!;

  expect(edits.lines.toString()).toBe("X-Set: two\r\nX-Add: 1\r\n");
  expect(edits.added).toEqual([
    { name: "x-set", value: "two" },
    { name: "x-add", value: "1" },
  ]);
});

test("removed and set headers are dropped whatever their case, added ones stay", () => {
  const edits = compileEdits({
    remove: ["X-Remove", "Cookie"],
    set: [{ name: "User-Agent", value: "mesh" }],
    add: [{ name: "X-Add", value: "1" }],
  })!;

  expect(dropped(edits, ["x-remove", "X-REMOVE", "COOKIE", "user-agent", "x-add", "x-removed", "x", "date"])).toEqual([
    "x-remove",
    "X-REMOVE",
    "COOKIE",
    "user-agent",
  ]);
});

test("a look-alike with an underscore is dropped with the header it imitates", () => {
  const edits = compileEdits({ set: [{ name: "X-User", value: "me" }], remove: ["user-agent"] })!;

  expect(dropped(edits, ["X_User", "x_user", "User_Agent"])).toEqual(["X_User", "x_user", "User_Agent"]);
});

test("a backend's edits follow its rule's, and take back what the rule added", () => {
  const edits = compileEdits(
    {
      set: [{ name: "A", value: "rule" }],
      add: [
        { name: "B", value: "rule" },
        { name: "C", value: "rule" },
      ],
    },
    { set: [{ name: "a", value: "backend" }], remove: ["c"], add: [{ name: "B", value: "backend" }] },
  )!;

  expect(edits.lines.toString()).toBe("B: rule\r\na: backend\r\nB: backend\r\n");
  expect(edits.dropped).toEqual(["a", "c"]);
});

test("nothing to edit is null", () => {
  expect(compileEdits()).toBeNull();
  expect(compileEdits(undefined, { set: [], add: [], remove: [] })).toBeNull();
});

test("edits drop fields of a response too", () => {
  const head = responseHead([["Server", "x"]]);

  expect(compileEdits({ remove: ["server"] })!.drops(head, 0)).toBe(true);
});

test.each([
  "Host",
  "content-length",
  "Transfer_Encoding",
  "CONNECTION",
  "Keep-Alive",
  "TE",
  "Trailer",
  "Upgrade",
  "Expect",
])("%s is not for edits", (name) => {
  const message = `Cannot edit the header "${name}": the mesh itself writes framing, connection and Host fields`;

  expect(() => compileEdits({ remove: [name] })).toThrow(message);
  expect(() => compileEdits({ set: [{ name, value: "x" }] })).toThrow(message);
  expect(() => compileEdits({ add: [{ name, value: "x" }] })).toThrow(message);
});

test("a name or value that would break the head apart is refused", () => {
  const broken: readonly HeaderEditsModel[] = [
    { set: [{ name: "x", value: "a\r\nb: c" }] },
    { add: [{ name: "x", value: "a\0" }] },
    { set: [{ name: "x: y", value: "a" }] },
    { remove: [""] },
    { set: [{ name: ":path", value: "/" }] },
  ];

  for (const model of broken) expect(() => compileEdits(model)).toThrow(InvalidHeaderEdit);
});

function dropped(edits: HeaderEdits, names: readonly string[]): readonly string[] {
  const head = requestHead({ headers: names.map((name) => [name, "v"] as const) });
  return names.filter((_, i) => edits.drops(head, i));
}
