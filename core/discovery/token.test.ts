import { expect, test } from "bun:test";
import { BadToken, formatJoinToken, parseJoinToken } from "./token.ts";

const TOKEN = { id: "a1", secret: "s3cret", root: "00ff", trustDomain: "mesh.local", namespace: "shop", name: "web" };

test("a join token survives its own text, with white space around it", () => {
  const text = formatJoinToken(TOKEN);

  expect(text).toMatch(/^mesh1\.[A-Za-z0-9_-]+$/);
  expect(parseJoinToken(` ${text}\n`)).toEqual(TOKEN);
});

test("a damaged token is refused without its text in the message", () => {
  const text = formatJoinToken(TOKEN);

  for (const bad of ["", "hello", text.slice(0, -9), "mesh1.!!!", `mesh1.${Buffer.from("{}").toString("base64url")}`]) {
    expect(() => parseJoinToken(bad)).toThrow(BadToken);
    if (bad.length > 10) expect(() => parseJoinToken(bad)).not.toThrow(bad.slice(6));
  }
});
