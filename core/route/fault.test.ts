import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { Fault } from "./fault.ts";
import { PathScan } from "./path.ts";

test("a fault takes the requests that one of its matches takes, and all without any", () => {
  const path = { type: "PathPrefix", value: "/a" } as const;
  const matches = [
    { path, headers: [{ name: "x", type: "Exact", value: "1" }] },
    { path, method: "PUT" },
  ] as const;
  const fault = new Fault({ id: "Fault/shop/f", matches }, new PathScan(1));

  expect(fault.takes(requestHead({ target: "/a/b", headers: [["x", "1"]] }))).toBe(true);
  expect(fault.takes(requestHead({ target: "/a/b", method: "PUT" }))).toBe(true);
  expect(fault.takes(requestHead({ target: "/a/b" }))).toBe(false);
  expect(fault.takes(requestHead({ target: "/b", method: "PUT" }))).toBe(false);
  expect(new Fault({ id: "Fault/shop/f" }, new PathScan(1)).takes(requestHead({ target: "/b" }))).toBe(true);
});

test("a status of gRPC answers calls of gRPC only", () => {
  const fault = new Fault({ id: "Fault/shop/f", abort: { grpcStatus: 14, fraction: 1 } }, new PathScan(1));

  expect([fault.answers(true), fault.answers(false)]).toEqual([true, false]);
});
