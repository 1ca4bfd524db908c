import { expect, test } from "bun:test";
import { MeshExchange } from "./exchange.ts";

/** Of its place in the house, and what is written before it is read. */
const LASTING: ReadonlySet<string> = new Set([
  ...["flow", "timer", "request", "response", "requestId", "generation"],
  ...["startedAt", "movedAt", "attemptAt"],
]);

test("an exchange that is used again has nothing of the one before", () => {
  const fresh = new MeshExchange({} as never);
  const used = new MeshExchange({} as never);
  for (const [name, value] of Object.entries(used)) {
    if (LASTING.has(name)) continue;
    const other = typeof value === "boolean" ? !value : typeof value === "number" ? value + 1 : { left: "over" };
    Object.assign(used, { [name]: typeof value === "string" ? "left over" : other });
  }

  used.clear();

  for (const name of Object.keys(fresh).filter((each) => !LASTING.has(each)))
    expect([name, used[name as keyof MeshExchange]]).toEqual([name, fresh[name as keyof MeshExchange]]);
  expect(used.generation).toBe(fresh.generation + 1);
});
