import { expect, test } from "bun:test";
import { isIP } from "node:net";
import { isIpAddress, parseAddress } from "./address.ts";

const LITERALS = [
  ..."127.0.0.1 0.0.0.0 255.255.255.255 10.1.2.30 192.168.100.249".split(" "),
  ..."256.0.0.1 1.2.3 1.2.3.4.5 01.2.3.4 1.2.3.04 1..2.3 1.2.3. .1.2.3 1.2.3.4a 0x7f.0.0.1 1.2.3.-4 127.1".split(" "),
  ...":: ::1 1:: fe80::1 2001:db8::ff00:42:8329 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 A::F".split(" "),
  ...": ::: 1::2::3 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4::5:6:7:8 12345:: g:: 1: :1 1:2:3:4:5:6:7: -1::".split(" "),
  ..."::ffff:127.0.0.1 ::1.2.3.4 1:2:3:4:5:6:1.2.3.4 64:ff9b::192.0.2.33 1::1.2.3.4".split(" "),
  ..."1.2.3.4:: ::1.2.3.4:1 1:2:3:4:5:6:7:1.2.3.4 ::1.2.3 ::256.0.0.1 1.2.3.4::1 ::01.2.3.4".split(" "),
  ...["", " ", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "::1\n", "localhost", "1.2.3.4:80", "[::1]"],
];

test.each(LITERALS)("%j is an IP address exactly where the platform says so", (text) => {
  expect(isIpAddress(text)).toBe(isIP(text) !== 0);
});

test("chance finds no text on which the platform differs", () => {
  const random = generator(1);
  const pieces = [
    "0",
    "1",
    "25",
    "255",
    "256",
    "00",
    "f",
    "ffff",
    "fffff",
    ".",
    ".",
    ".",
    ":",
    ":",
    ":",
    "::",
    "1.2.3.4",
  ];

  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + random(16) }, () => pieces[random(pieces.length)]).join("");
    if (isIpAddress(text) !== (isIP(text) !== 0)) expect(text).toBe("an address to both or to none");
  }
});

test("an address with a zone is bound, but is no literal elsewhere", () => {
  expect(parseAddress("[fe80::1%eth0]:80")).toEqual({ host: "fe80::1%eth0", port: 80 });
  expect(parseAddress("[1.2.3.4]:80")).toBeNull();
  expect(isIpAddress("fe80::1%eth0")).toBe(false);
});

/** Numbers that look random and are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
