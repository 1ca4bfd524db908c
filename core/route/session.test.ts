import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { Cluster, ClusterState } from "../cluster/mod.ts";
import type { SessionModel } from "./model.ts";
import { Session } from "./session.ts";

const COOKIE: SessionModel = { type: "Cookie", name: "sid", lifetime: "Session" };
const AT = 1_700_000_000_000;

test("an endpoint has one name at every proxy of a mesh, and another in other meshes and rules", () => {
  const [a, b] = [clusterOf(), clusterOf()];
  const name = new Session(COOKIE, "mesh.test rule").nameOf(a, a.endpoints[0]!);

  expect(name).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(new Session(COOKIE, "mesh.test rule").nameOf(b, b.endpoints[0]!)).toBe(name);
  expect(new Session(COOKIE, "mesh.test rule").nameOf(a, a.endpoints[1]!)).not.toBe(name);
  expect(new Session(COOKIE, "other.test rule").nameOf(a, a.endpoints[0]!)).not.toBe(name);
});

test("a cookie comes back as it was given, beside others", () => {
  const session = new Session(COOKIE, "");
  const line = session.line("a".repeat(22), 0, AT, false);

  expect(line).toBe(`Set-Cookie: sid=${"a".repeat(22)}; Path=/; HttpOnly\r\n`);
  expect(readCookie(session, `x=1; sid=${"a".repeat(22)}; y=2`, AT)?.endpoint).toBe("a".repeat(22));
  expect(readCookie(session, "sid=short", AT)).toBeNull();
  expect(readCookie(session, `xsid=${"a".repeat(22)}`, AT)).toBeNull();
});

test("a header of any case carries the session too", () => {
  const session = new Session({ type: "Header", name: "X-Session", lifetime: "Session" }, "");

  expect(session.line("a".repeat(22), 0, AT, false)).toBe(`X-Session: ${"a".repeat(22)}\r\n`);
  const head = requestHead({ headers: [["x-session", "a".repeat(22)]] });
  expect(session.read(head, AT)?.endpoint).toBe("a".repeat(22));
});

test("a session ends at its absolute timeout, however it is used", () => {
  const session = new Session({ ...COOKIE, lifetime: "Permanent", absoluteTimeoutMs: 60_000 }, "");
  const first = session.line("a".repeat(22), 0, AT, true);
  const value = /sid=([^;]+)/.exec(first)![1]!;

  expect(first).toContain("; Max-Age=60; HttpOnly; Secure");
  expect(readCookie(session, `sid=${value}`, AT + 59_000)).not.toBeNull();
  expect(readCookie(session, `sid=${value}`, AT + 60_000)).toBeNull();
  const { begunAt } = readCookie(session, `sid=${value}`, AT + 50_000)!;
  expect(session.line("a".repeat(22), begunAt, AT + 50_000, true)).toContain("; Max-Age=10;");
});

test("a session that is not used ends at its idle timeout, and use puts it off", () => {
  const session = new Session({ ...COOKIE, idleTimeoutMs: 10_000 }, "");
  const valueAt = (now: number) => /sid=([^;]+)/.exec(session.line("a".repeat(22), AT / 1000, now, false))![1]!;

  expect(readCookie(session, `sid=${valueAt(AT)}`, AT + 9_000)).not.toBeNull();
  expect(readCookie(session, `sid=${valueAt(AT)}`, AT + 10_000)).toBeNull();
  expect(readCookie(session, `sid=${valueAt(AT + 9_000)}`, AT + 18_000)).not.toBeNull();
});

test("a token without its times is no session where a timeout holds", () => {
  const session = new Session({ ...COOKIE, absoluteTimeoutMs: 60_000 }, "");

  expect(readCookie(session, `sid=${"a".repeat(22)}`, AT)).toBeNull();
});

function readCookie(session: Session, cookie: string, now: number) {
  return session.read(requestHead({ headers: [["cookie", cookie]] }), now);
}

function clusterOf(): Cluster {
  const workload = { name: "w", namespace: "shop", app: "w", version: "" };
  const endpoints = [1, 2].map((port) => ({ address: "10.0.0.1", port, weight: 1, workload }));
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const events = { ejected: () => {}, returned: () => {} };
  return new Cluster(
    { name: "shop/web:80", service, balancer: "RoundRobin", endpoints, confirmedAt: 0 },
    new ClusterState("shop/web:80", events),
  );
}
