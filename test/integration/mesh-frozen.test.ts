import { expect, test } from "bun:test";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { eventually, ok, startBackend } from "../harness/mod.ts";

test("a proxy that is gone without a word is found in seconds, and who waits for it is served by another", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using first = await startBackend(ok("first"));
  await using second = await startBackend(ok("second"));
  const frozen = await mesh.join("web", { as: "web-1", port: first.port });
  await mesh.join("web", { as: "web-2", port: second.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  // More patient than the clients of the harness.
  const ask = async () => {
    const response = await fetch("http://web/", { proxy: `http://127.0.0.1:${shop.outbound}` });
    return [response.status, await response.text()] as const;
  };
  await eventually(async () => {
    await ask();
    expect([first.requests.length > 0, second.requests.length > 0]).toEqual([true, true]);
  });

  frozen.program.kill("SIGSTOP");
  try {
    const answers = await Promise.all(Array.from({ length: 8 }, ask));

    expect(answers).toEqual(Array(8).fill([200, "second"]));
  } finally {
    frozen.program.kill("SIGCONT");
  }
}, 30_000);
