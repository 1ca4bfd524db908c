import { expect, test } from "bun:test";
import { latin1 } from "../base/mod.ts";
import { parseAuthority } from "./authority.ts";
import { RequestHead } from "./head.ts";

test.each([
  ["a", "a", 0],
  ["Example.COM:8080", "Example.COM", 8080],
  ["web.shop.svc.cluster.local.", "web.shop.svc.cluster.local.", 0],
  ["my_host-1~x:1", "my_host-1~x", 1],
  ["1password.com", "1password.com", 0],
  ["a.1b", "a.1b", 0],
  ["0xg", "0xg", 0],
  ["10-0-0-1.pod", "10-0-0-1.pod", 0],
  ["127.0.0.1:65535", "127.0.0.1", 65535],
  ["255.255.255.255", "255.255.255.255", 0],
  [`${"a.".repeat(127)}b:1`, `${"a.".repeat(127)}b`, 1],
  ["[::]:1", "[::]", 1],
  ["[::1]", "[::1]", 0],
  ["[1::]", "[1::]", 0],
  ["[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", 0],
  ["[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", 0],
  ["[::2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]", 0],
  ["[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]", 0],
  ["[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]", 0],
  ["[ABCD:ef01::0]", "[ABCD:ef01::0]", 0],
])("parseAuthority() reads %p as host %p and port %p", (text, host, port) => {
  const head = new RequestHead();
  const bytes = latin1(`x${text}y`);

  expect(parseAuthority(head, bytes, 1, 1 + text.length)).toBe(true);
  expect([bytes.latin1Slice(head.authorityStart, head.hostEnd), head.port]).toEqual([host, port]);
  expect(bytes.latin1Slice(head.authorityStart, head.authorityEnd)).toBe(text);
});

const NO_AUTHORITY = [
  "",
  ":80",
  "a:",
  "a:0",
  "a:080",
  "a:65536",
  "a:-1",
  "a:80x",
  "a:80:80",
  "a::80",
  "a b",
  "a,b",
  "a/b",
  "a?b",
  "a\\b",
  "a%41",
  "a;b",
  "a=b",
  "u@a",
  "u:p@a",
  "\xe4",
  "a\t",
  "a.".repeat(128),
  // Numbers that a resolver takes for an address: inet_aton() knows octal, hexadecimal and short forms.
  "1",
  "2130706433",
  "127.1",
  "0x7f.1",
  "0x7f000001",
  "017700000001",
  "127.01.0.1",
  "127.0.0.1.",
  "127.0.0.256",
  "127.0.0.0.1",
  "127.0..1",
  "a.0x",
  "a.1",
  // IPv6
  "[]",
  "[:]",
  "[1]",
  "[:::]",
  "[::1",
  "::1",
  "[::1]x",
  "[::1]:",
  "[1:2:3:4:5:6:7]",
  "[1:2:3:4:5:6:7:8:9]",
  "[1:2:3:4::5:6:7:8]",
  "[1::2::3]",
  "[12345::]",
  "[1:2:3:4:5:6:7:]",
  "[:1:2:3:4:5:6:7:8]",
  "[::1.2.3]",
  "[::1.2.3.04]",
  "[1:2:3:4:5:6:7:1.2.3.4]",
  "[fe80::1%25eth0]",
  "[v1.a]",
  "[g::]",
];

test.each(NO_AUTHORITY)("parseAuthority() refuses %p and leaves the head as it was", (text) => {
  const head = new RequestHead();
  const bytes = latin1(`x${text}1]:80`);

  expect(parseAuthority(head, bytes, 1, 1 + text.length)).toBe(false);
  expect([head.authorityStart, head.authorityEnd, head.hostEnd, head.port]).toEqual([0, 0, 0, 0]);
});
