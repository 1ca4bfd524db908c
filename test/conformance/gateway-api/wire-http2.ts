import { connect } from "node:http2";
import { type Answer, type Door, openDoor } from "./wire.ts";

const PATIENCE_MS = 4000;

/** One request over HTTP/2 on a connection of its own: with prior knowledge, or as ALPN agrees. */
export async function askHttp2(
  door: Door,
  method: string,
  target: string,
  fields: readonly (readonly [string, string])[],
): Promise<Answer> {
  const socket = await openDoor(door, "h2");
  const authority = fields.find(([name]) => name === "Host")?.[1] ?? "";
  const scheme = door.tls === undefined ? "http" : "https";
  const session = connect(`${scheme}://${authority}`, { createConnection: () => socket });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("Cannot wait any longer for an answer")), PATIENCE_MS);
      session.once("error", reject);
      const headers = { ":method": method, ":path": target, ":scheme": scheme, ":authority": authority };
      const stream = session.request({ ...headers, ...listsOf(fields.filter(([name]) => name !== "Host")) });
      let answer: Answer = { status: 0, fields: [], body: "" };
      stream.once("response", (received) => {
        const status = Number(received[":status"]);
        answer = { status, fields: Object.entries(received).map(([name, value]) => [name, String(value)]), body: "" };
      });
      stream.on("data", (bytes: Buffer) => {
        answer = { ...answer, body: answer.body + bytes.toString("latin1") };
      });
      stream.once("error", reject);
      stream.once("end", () => {
        clearTimeout(late);
        resolve(answer);
      });
      stream.end();
    });
  } finally {
    session.destroy();
    socket.destroy();
  }
}

function listsOf(fields: readonly (readonly [string, string])[]): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const [name, value] of fields) lists[name.toLowerCase()] = [...(lists[name.toLowerCase()] ?? []), value];
  return lists;
}
