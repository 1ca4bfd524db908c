import { expect, test } from "bun:test";
import { eventually } from "../../test/harness/eventually.ts";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { jsonLog } from "../base/mod.ts";
import { accepting, ChildFailed, startChild } from "./child.ts";

test("an app's exit code is its own", async () => {
  expect(await startChild(["sh", "-c", "exit 7"], {}).exited).toBe(7);
});

test("an app that a signal ended has 128 and its number, as a shell says it", async () => {
  const child = startChild(["sleep", "60"], {});

  child.signal("SIGTERM");

  expect(await child.exited).toBe(143);
});

test("an app has the environment that it is given, and no other", async () => {
  const script = '[ "$GIVEN" = yes ] && [ -z "$HOME" ]';

  expect(await startChild(["/bin/sh", "-c", script], { GIVEN: "yes" }).exited).toBe(0);
});

test("a command that is not there is said to be so", () => {
  expect(() => startChild(["/no/such/program", "x"], {})).toThrow(ChildFailed);
  expect(() => startChild(["/no/such/program", "x"], {})).toThrow('Cannot start "/no/such/program x"');
});

test("an app is waited for until it takes connections on all its ports, and said to be slow after a while", async () => {
  const clock = fakeClock();
  const lines: string[] = [];
  const socket = { data() {} };
  const first = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
  const { port } = first;
  first.stop(true);
  let isUp = false;
  const waiting = accepting(
    [port],
    clock,
    jsonLog(clock, (line) => lines.push(line)),
  ).then(() => {
    isUp = true;
  });

  await eventually(() => {
    clock.advance(50);
    return lines.length === 1;
  });
  expect(isUp).toBe(false);
  const app = Bun.listen({ hostname: "127.0.0.1", port, socket });
  await eventually(() => {
    clock.advance(50);
    return isUp;
  });

  await waiting;
  expect(lines).toHaveLength(1);
  app.stop(true);
});
