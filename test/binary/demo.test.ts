import { expect, test } from "bun:test";
import { ACTS } from "../../cmd/demo/acts.ts";
import { eventually, startBinary } from "../harness/mod.ts";

test("mesh demo shows all that it promises, and ends with 0", async () => {
  await using demo = await startBinary(["demo", "--duration", "1s"]);

  expect(await demo.exited).toBe(0);

  const summary = demo.stdout.slice(demo.stdout.indexOf("\nseen in "));
  for (const { name } of ACTS) expect(summary).toMatch(new RegExp(`^ +seen +${name} `, "m"));
});

test("mesh demo that is interrupted ends all it has started, and does not claim to have seen it", async () => {
  await using demo = await startBinary(["demo"]);
  await eventually(() => demo.stdout.includes("control plane serves"), 20_000);
  const [, api] = /API (http:\S+),/.exec(demo.stdout)!;

  demo.kill("SIGINT");

  expect(await demo.exited).toBe(1);
  expect(await fetch(`${api}/healthz`).catch(() => "gone")).toBe("gone");
});
