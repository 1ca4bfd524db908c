import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { binaryPath, output } from "../harness/mod.ts";

test.each([
  ["mesh st", "status"],
  ["mesh token cr", "create"],
  ["mesh token create --na", "--name\n--namespace"],
  ["mesh apply -f x --wa", "--wait"],
])("bash completes %p to %p", async (typed, completed) => {
  const words = typed.split(" ");
  const binary = await binaryPath();
  const line = [
    `PATH="${dirname(binary)}:$PATH"`,
    "source <(mesh completion)",
    `COMP_WORDS=(${words.join(" ")}) COMP_CWORD=${words.length - 1}`,
    "_mesh",
    `printf "%s\\n" "\${COMPREPLY[@]}"`,
  ].join("; ");

  expect((await output(["bash", "-c", line])).trim()).toBe(completed);
});
