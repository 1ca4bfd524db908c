import { expect, test } from "bun:test";
import { eventually } from "../../test/harness/eventually.ts";
import { Calls, type Message, RemoteFailure, WorkerLost } from "./calls.ts";

test("each side gets the answers to what it asked, in whatever order they come", async () => {
  const answers = new Map<string, PromiseWithResolvers<unknown>>();
  const { near } = pair((body) => {
    const answer = Promise.withResolvers<unknown>();
    answers.set(body.host, answer);
    return answer.promise;
  });
  const asked = ["a", "b"].map((host) => near.call({ call: "want", host }));
  await eventually(() => answers.size === 2);

  answers.get("b")!.resolve("second");
  answers.get("a")!.resolve("first");

  expect(await Promise.all(asked)).toEqual(["first", "second"]);
});

test("what the other side threw comes over with its reasons", async () => {
  const { near } = pair(() => Promise.reject(Object.assign(new Error("refused"), { reasons: ["one", "two"] })));

  const failure = await near.call({ call: "want", host: "a" }).catch((error) => error);

  expect(failure).toBeInstanceOf(RemoteFailure);
  expect(failure).toMatchObject({ message: "refused", reasons: ["one", "two"] });
});

test("what waits for a side that is lost fails, and a late answer is nobody's", async () => {
  const posted: Message[] = [];
  const calls = new Calls(
    (message) => posted.push(message),
    async () => {},
  );
  const asked = calls.call({ call: "want", host: "a" }).catch((error) => error);

  calls.fail(new WorkerLost("Cannot go on with a worker: it has exited"));
  calls.take({ type: "done", id: 1, value: "late" });

  expect(await asked).toBeInstanceOf(WorkerLost);
});

/** Two sides; what is posted crosses as a copy, as between threads. */
function pair(answer: (body: { host: string }) => Promise<unknown>) {
  const cross = (to: () => Calls) => (message: Message) => queueMicrotask(() => to().take(structuredClone(message)));
  const near: Calls = new Calls(
    cross(() => far),
    async () => {},
  );
  const far: Calls = new Calls(
    cross(() => near),
    answer,
  );
  return { near, far };
}
