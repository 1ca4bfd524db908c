import { MeshError, messageOf } from "../../base/mod.ts";
import { decodeCompiled } from "./message.ts";
import type { DirectoryCompiler } from "./model.ts";

/** The process that compiles has ended without a result. */
export class CompilerFailed extends MeshError {
  override readonly name = "CompilerFailed";
  readonly code = "MESH_COMPILER_FAILED";
  readonly source = "mesh";
}

/**
 * Compiles in a process of its own, which runs `command` with the directory
 * behind it and prints `encodeCompiled`. Schemas, parsers and what they leave
 * on the heap end with it: a Worker that ends leaves several times as much.
 */
export function childCompiler(command: readonly string[]): DirectoryCompiler {
  return async (directory) => {
    const child = spawn([...command, directory]);
    const [printed, said, code] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
    if (code !== 0) throw new CompilerFailed(`Cannot compile ${directory}: ${said.trim() || `exit code ${code}`}`);
    try {
      return decodeCompiled(printed);
    } catch (cause) {
      throw new CompilerFailed(`Cannot read what compiling ${directory} gave: ${messageOf(cause)}`, { cause });
    }
  };
}

function spawn(command: string[]) {
  try {
    return Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  } catch (cause) {
    throw new CompilerFailed(`Cannot start the process that compiles: ${messageOf(cause)}`, { cause });
  }
}
