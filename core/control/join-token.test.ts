import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { temporaryFolder } from "../../test/harness/folder.ts";
import { openSqliteStore } from "../store/mod.ts";
import { type JoinTokenRecord, JoinTokens } from "./join-token.ts";
import { storageIn } from "./storage.ts";

const WEB = { namespace: "shop", name: "web", ttlMs: 1000, uses: 2 };

test("a token made for two uses is counted, also by joins at the same moment", async () => {
  await using kept = tokensOf();
  const { record, secret } = await kept.tokens.create(WEB, "admin");

  const joins = await Promise.allSettled([1, 2, 3, 4].map(() => kept.tokens.redeem(record.id, secret)));

  expect(joins.filter(({ status }) => status === "fulfilled").length).toBe(2);
  expect(await kept.tokens.list()).toEqual([]);
});

test("a token without a limit of uses ends with its time", async () => {
  await using kept = tokensOf();
  const { record, secret } = await kept.tokens.create({ ...WEB, uses: 0 }, "admin");

  for (let i = 0; i < 5; i++) await kept.tokens.redeem(record.id, secret);
  kept.clock.advance(1000);

  await expect(kept.tokens.redeem(record.id, secret)).rejects.toThrow("has expired");
});

test("the store holds no secret", async () => {
  await using kept = tokensOf();

  const { secret } = await kept.tokens.create(WEB, "admin");

  expect(JSON.stringify(await kept.tokens.list())).not.toContain(secret);
});

test("a deleted token is unknown", async () => {
  await using kept = tokensOf();
  const { record, secret } = await kept.tokens.create(WEB, "admin");

  expect(await kept.tokens.delete(record.id)).toBe(true);
  expect(await kept.tokens.delete(record.id)).toBe(false);

  await expect(kept.tokens.check(record.id, secret)).rejects.toThrow("does not know the token");
});

function tokensOf() {
  const clock = fakeClock();
  const folder = temporaryFolder();
  const storage = storageIn(openSqliteStore({ directory: folder.path, clock }));
  const tokens = new JoinTokens(storage.records<JoinTokenRecord>("join-tokens"), clock, randomBytes);
  return {
    clock,
    tokens,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
