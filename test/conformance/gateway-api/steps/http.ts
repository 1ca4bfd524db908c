import { randomBytes, randomUUID } from "node:crypto";
import { eventually } from "../../../harness/mod.ts";
import { INFRA, MESH } from "../manifest.ts";
import { type Answer, ask, type Door, openDoor } from "../wire.ts";
import { askHttp2 } from "../wire-http2.ts";
import type { World } from "../world.ts";
import { Differs, judge, type Sent, seenIn } from "./compare.ts";
import { doorOf } from "./door.ts";
import type { HttpStep, Request } from "./model.ts";
import { judgeShares } from "./shares.ts";

/** Sends the requests of a step beside each other, each until it comes to what the test says. */
export async function runHttp(world: World, step: HttpStep, patienceMs: number): Promise<void> {
  await Promise.all(step.requests.map((request) => runRequest(world, step, request, patienceMs)));
}

async function runRequest(world: World, step: HttpStep, given: Request, patienceMs: number): Promise<void> {
  const request = step.mesh === undefined ? given : { namespace: MESH, ...given };
  try {
    const door = await eventually(() => doorTo(world, step, request), patienceMs);
    await eventually(() => tryRequest(world, door, step, request, ask), patienceMs);
    // What was just so by HTTP/1.1 must be so by HTTP/2.
    if (goesByBoth(request)) await eventually(() => tryRequest(world, door, step, request, askHttp2), patienceMs);
  } catch (error) {
    const to = step.http ?? `${step.to} from ${step.mesh}`;
    const what = `${request.method ?? "GET"} ${request.host ?? ""}${request.path ?? "/"}`;
    throw new Error(`${what} at ${to}: ${(error as Error).message}`);
  }
}

/** Many requests for one answer, and upgrades, go by HTTP/1.1 only. */
function goesByBoth({ shares, times, websocket, refused }: Request): boolean {
  return shares === undefined && times === undefined && !websocket && !refused;
}

function doorTo(world: World, step: HttpStep, request: Request): Promise<Door> {
  return doorOf(world, { gateway: step.http, mesh: step.mesh, to: step.to }, { ...step, ...request });
}

async function tryRequest(world: World, door: Door, step: HttpStep, request: Request, by: typeof ask): Promise<void> {
  const host = request.host ?? step.to?.replace(/:\d+$/, "") ?? door.address;
  const { path = "/", method = "GET" } = request;
  const sent: Sent = { path, host, method, scheme: door.tls === undefined ? "http" : "https" };
  if (request.refused) return await mustBeRefused(door, host, path);
  if (request.websocket) return await echoFrame(door, host, path);
  if (request.shares !== undefined) return await judgeSplit(door, request, host);
  if (request.mirrors !== undefined) return await judgeMirrors(world, door, request, sent, by);
  judge(request, sent, await send(by, door, request, host));
}

function send(by: typeof ask, door: Door, request: Request, host: string, key: string = randomUUID()): Promise<Answer> {
  const { path = "/", method = "GET", headers = {} } = request;
  return by(door, method, path, [["Host", host], ["echo-key", key], ...Object.entries(headers)]);
}

async function mustBeRefused(door: Door, host: string, path: string): Promise<void> {
  const answer = await ask(door, "GET", path, [["Host", host]]).catch(() => null);
  if (answer !== null) throw new Differs("outcome", "no answer", answer.status);
}

function judgeSplit(door: Door, request: Request, host: string): Promise<void> {
  return judgeShares(request.shares!, request.times ?? 500, async () => {
    const answer = await send(ask, door, request, host);
    return answer.status === 200 ? seenIn(answer).pod : `status ${answer.status}`;
  });
}

/** Copies are counted where they arrive, under the key of their requests. */
async function judgeMirrors(world: World, door: Door, request: Request, sent: Sent, by: typeof ask): Promise<void> {
  const key = randomUUID();
  const times = request.times ?? 1;
  for (let i = 0; i < times; i++) judge(request, sent, await send(by, door, request, sent.host, key));
  for (const [deployment, share] of Object.entries(request.mirrors!)) {
    const full = deployment.includes("/") ? deployment : `${INFRA}/${deployment}`;
    const wanted = (times * share) / 100;
    // A bound that a fair coin leaves once in some ten thousand runs.
    const slack = share === 100 ? 0 : 4 * Math.sqrt(times * (share / 100) * (1 - share / 100));
    await eventually(() => {
      const found = world.cluster.arrivals.get(`${full} ${key}`) ?? 0;
      if (Math.abs(found - wanted) > slack) throw new Differs(`copies at ${deployment}`, wanted, found);
    }, 1000);
  }
}

/** Upgrades, and sends a masked text frame that must come back. */
async function echoFrame(door: Door, host: string, path: string): Promise<void> {
  const socket = await openDoor(door);
  const text = "over a frame";
  const mask = randomBytes(4);
  const masked = Buffer.from(text).map((byte, i) => byte ^ mask[i % 4]!);
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, masked]);
  const nonce = randomBytes(16).toString("base64");
  const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${nonce}\r\n`;
  try {
    const found = await new Promise<string>((resolve) => {
      let read = "";
      socket.on("data", (bytes: Buffer) => {
        const before = read.includes("\r\n\r\n");
        read += bytes.toString("latin1");
        if (!before && read.includes("\r\n\r\n") && read.startsWith("HTTP/1.1 101 ")) socket.write(frame);
        if (read.endsWith(text) || (!before && !read.startsWith("HTTP/1.1 101 "))) resolve(read);
      });
      socket.once("close", () => resolve(read));
      socket.once("error", () => resolve(read));
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n`);
    });
    if (!found.endsWith(text)) throw new Differs("frame", text, found.slice(0, 200));
  } finally {
    socket.destroy();
  }
}
