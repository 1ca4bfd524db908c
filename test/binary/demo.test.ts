import { expect, test } from "bun:test";
import { ACTS } from "../../cmd/demo/acts.ts";
import { eventually, startBinary } from "../harness/mod.ts";

test("mesh demo shows all that it promises, and ends with 0", async () => {
  const first = await shown();
  // Its apps take ports that were free a moment before, and may be somebody's by then: once more, and the reason told.
  if (first.code !== 0) console.error(`the demo was shown twice, because the first time it said:\n${first.said}`);
  const { code, said } = first.code === 0 ? first : await shown();

  expect(code).toBe(0);
  const summary = said.slice(said.indexOf("\nseen in "));
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

async function shown(): Promise<{ readonly code: number; readonly said: string }> {
  await using demo = await startBinary(["demo", "--duration", "1s"]);
  const code = await demo.exited;
  return { code, said: demo.stdout + demo.stderr };
}
