import { expect } from "bun:test";
import { version } from "../../package.json";
import { buildImage, testUnless, within, withoutContainers } from "../harness/mod.ts";

testUnless(withoutContainers())(
  "the image runs mesh on a read-only root, without rights and without a shell",
  async () => {
    await using image = await buildImage();

    await using mesh = await image.start(["version"]);
    await using shell = await image.start(["sh"]);

    expect(await within("the version", mesh.exited, 30_000)).toBe(0);
    expect(mesh.stdout).toBe(`mesh ${version}\n`);
    expect(await within("the refusal", shell.exited, 30_000)).toBe(64);
  },
);
