import { lacking, output } from "./program.ts";

/** A network of its own: only loopback, and whatever the test puts in. */
export interface Namespace {
  readonly name: string;
  /** Words that run a command inside: put them before it. */
  readonly prefix: readonly string[];
  /** Runs a command inside; its output. */
  run(...command: string[]): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Why no namespace can be made here; null when one can. */
export async function withoutNamespaces(): Promise<string | null> {
  const reason = lacking({ root: true, programs: ["ip"] });
  if (reason !== null) return reason;
  try {
    await using _ = await networkNamespace();
    return null;
  } catch {
    return "no right to make network namespaces";
  }
}

/** Makes a namespace with loopback up. */
export async function networkNamespace(): Promise<Namespace> {
  const name = `mesh-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const prefix = ["ip", "netns", "exec", name];
  await output(["ip", "netns", "add", name]);
  await output([...prefix, "ip", "link", "set", "lo", "up"]);
  return {
    name,
    prefix,
    run: (...command) => output([...prefix, ...command]),
    async [Symbol.asyncDispose]() {
      await output(["ip", "netns", "delete", name]);
    },
  };
}
