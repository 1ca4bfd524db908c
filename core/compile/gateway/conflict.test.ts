import { expect, test } from "bun:test";
import { type Claim, conflictsAmong, overlapsAmong } from "./conflict.ts";
import type { ConflictReason } from "./model.ts";

test("listeners of one Gateway that cannot be told apart are all in conflict", () => {
  const table: readonly (readonly [string, readonly Claim[], readonly (ConflictReason | null)[]])[] = [
    ["hosts apart", [http(80, "a"), http(80, "b"), http(80, "")], [null, null, null]],
    ["one host", [http(80, "a"), http(80, "a"), http(80, "b")], ["HostnameConflict", "HostnameConflict", null]],
    ["HTTP and TLS", [http(80, "a"), tls(80, "b")], ["ProtocolConflict", "ProtocolConflict"]],
    ["HTTPS and TLS", [tls(443, "a"), tls(443, "b")], [null, null]],
    ["TCP with others", [tcp(80), http(80, "a")], ["ProtocolConflict", "ProtocolConflict"]],
    ["TCP twice", [tcp(80), tcp(80)], ["ProtocolConflict", "ProtocolConflict"]],
    ["TCP and UDP", [tcp(53), udp(53)], [null, null]],
    ["other ports", [http(80, "a"), http(81, "a")], [null, null]],
    ["unknown", [claim(null, 80), http(80, "")], [null, null]],
  ];

  for (const [name, claims, reasons] of table) expect([name, conflictsAmong([claims])]).toEqual([name, [reasons]]);
});

test("between a Gateway and its sets whoever comes first wins", () => {
  const [gateway, first, second] = conflictsAmong([
    [http(80, "a")],
    [http(80, "a"), http(80, "b"), tcp(80)],
    [http(80, "b"), http(80, "c")],
  ]);

  expect(gateway).toEqual([null]);
  expect(first).toEqual(["HostnameConflict", "ProtocolConflict", "ProtocolConflict"]);
  expect(second).toEqual([null, null]);
});

test("TLS overlaps where a listener of the port is for some of the same hosts", () => {
  const claims = [
    tls(443, "a.example"),
    tls(443, "*.example"),
    tls(443, "b.test"),
    tls(444, "a.example"),
    http(443, ""),
  ];

  expect(overlapsAmong(claims)).toEqual([true, true, false, false, false]);
});

function claim(transport: Claim["transport"], port: number, hostname = ""): Claim {
  return { transport, port, hostname };
}

const http = (port: number, hostname: string) => claim("http", port, hostname);
const tls = (port: number, hostname: string) => claim("tls", port, hostname);
const tcp = (port: number) => claim("tcp", port);
const udp = (port: number) => claim("udp", port);
