import { createHash } from "node:crypto";
import type { Connection } from "./connection.ts";

const MB = 1024 * 1024;

/** Sends so many MB that are all different, then ends this direction; the hash of what was sent. */
export async function pour(connection: Connection, seed: number, megabytes: number): Promise<string> {
  const hash = createHash("sha256");
  for (let i = 0; i < megabytes; i++) {
    const piece = Buffer.alloc(MB, `${seed}-${i}-`);
    hash.update(piece);
    await connection.write(piece);
  }
  connection.shutdown();
  return hash.digest("hex");
}

/** The hash of all that comes until the peer ends its direction. */
export async function hashOf(connection: Connection): Promise<string> {
  const hash = createHash("sha256");
  for (let bytes = await connection.some("a piece"); bytes.length > 0; bytes = await connection.some("a piece"))
    hash.update(bytes);
  return hash.digest("hex");
}
