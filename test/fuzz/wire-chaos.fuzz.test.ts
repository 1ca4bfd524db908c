import { expect, test } from "bun:test";
import {
  chunked,
  dribble,
  hangUp,
  informational,
  ok,
  type Received,
  raw,
  reset,
  type Script,
  startBackend,
  truncated,
  truncatedChunked,
  tunnel,
  untilClose,
} from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { type Connection, CutShort } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { seeded } from "../harness/http1-reader.ts";
import { fieldValue, Malformed } from "../harness/message.ts";
import { ONE_HOP, type PathKind, SHARED_HOPS, startPath, TWO_HOPS } from "../harness/path.ts";
import { routeYaml } from "../harness/routed.ts";
import { pick } from "./smuggling.ts";

const ROUNDS = Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260105);
const CONVERSATIONS = 400 * ROUNDS;
const AT_ONCE = 8;

/** Attempts beside each other and after each other, copies that are compared, and pauses: all at once. */
const BUSY = `${routeYaml(
  "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}], backendRefs: [{name: web, port: 80}]}",
)}---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: web}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  retry: {attempts: 2, statuses: [503], backoff: {base: 1ms}}
  hedge: {after: 2ms, attempts: 2}
  compareMirrors: true
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: {name: web}
spec: {targetRefs: [{group: "", kind: Service, name: web}], delay: {fixed: 3ms, percent: 30}}
`;

/** The same where nearly nothing may go on at once, connections wear out, and clients have sessions. */
const CROWDED = `${BUSY.replace(
  "compareMirrors: true",
  `limits: {requests: 3, pending: 2, pendingTimeout: 15ms, requestsPerConnection: 5, connectionsPerEndpoint: 3}
  timeouts: {backendRequest: 40ms, connectionAge: 30ms}`,
).replace("backendRefs:", "sessionPersistence: {sessionName: s}, backendRefs:")}`;

const PATHS: readonly (readonly [PathKind, string, string])[] = [
  [ONE_HOP, "by a plain rule", ""],
  [TWO_HOPS, "by a plain rule", ""],
  [SHARED_HOPS, "by a plain rule", ""],
  [ONE_HOP, "by a busy rule", BUSY],
  [SHARED_HOPS, "by a busy rule", BUSY],
  [ONE_HOP, "by a crowded rule", CROWDED],
  [SHARED_HOPS, "by a crowded rule", CROWDED],
];

/**
 * Clients and an upstream that do what they like, at the same time, repeatably
 * in what they try. Whatever happens: nobody gets another's answer, nothing is
 * left open or counted twice, and nothing is thrown.
 */
for (const [path, rule, config] of PATHS) {
  test(`over ${path} ${rule}, whatever clients and upstreams do, everybody gets their own answer and nothing is left behind`, async () => {
    await using backend = await startBackend(mischief(seeded(SEED)));
    await using hop = await startPath(path, backend.port, { config });
    const random = seeded(SEED + 1);
    const wrong: string[] = [];
    let next = 0;

    const worker = async () => {
      while (next < CONVERSATIONS) {
        const id = next++;
        const done = await converse(hop.port, id, random).catch((error) => `${id}: ${error}`);
        if (done !== null) wrong.push(done);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));

    expect(wrong).toEqual([]);
    await eventually(() => hop.active === 0);
    expect(hop.warnings).toEqual([]);
    await eventually(async () => (await hop.metric("mesh_connections_open")) === 0);
    // Where nearly nothing may go on at once, it is chance whether there is room for more.
    if (config === BUSY) {
      for (const name of ["mesh_mirrored_requests_total", "mesh_hedges_total"])
        expect(await hop.metric(name)).toBeGreaterThan(0);
      // A proxy of the mesh answers whatever its app does: there is nothing to try again.
      if (path === ONE_HOP) expect(await hop.metric("mesh_retries_total")).toBeGreaterThan(0);
    }
    for (const request of backend.requests) {
      const host = fieldValue(request.fields, "host");
      expect(host).toBe("chaos");
    }
  }, 60_000);
}

/** What is answered tells whom: every body begins with the request's target. */
function mischief(random: () => number): Script {
  return (request, to) => {
    const scripts: (() => Script)[] = [
      () => answered(request),
      () => answered(request),
      () => chunked([request.target, "x".repeat(Math.floor(random() * 40_000)), "y"], [["X-Sum", "1"]]),
      () => untilClose(`${request.target}${"z".repeat(Math.floor(random() * 100_000))}`),
      () => informational(103, [["Link", "a"]], answered(request)),
      () => informational(100, [], answered(request)),
      () => truncated(request.target, request.target.length + 5),
      () => truncatedChunked([request.target]),
      () => reset(),
      () => reset(`HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n${request.target}`),
      () => hangUp(),
      () => dribble(`HTTP/1.1 200 OK\r\nContent-Length: ${request.target.length}\r\n\r\n${request.target}`),
      () =>
        raw(
          `HTTP/1.1 200 OK\r\nContent-Length: ${request.target.length}\r\n\r\n${request.target}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
        ),
      () => raw("not a response\r\n\r\n"),
      () => raw("HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"),
      () => early(request),
      () => (fieldValue(request.fields, "upgrade") === null ? answered(request) : tunnel("websocket")),
    ];
    return pick(scripts, random)()(request, to);
  };
}

function answered(request: Received): Script {
  return ok(request.method === "HEAD" ? "" : request.target);
}

/** Answers before the request is whole, and reads on. */
function early({ target }: Received): Script {
  return async (_, to) => to.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
}

/** One client's life; what it got that was not its own, or null. */
async function converse(port: number, id: number, random: () => number): Promise<string | null> {
  await using client = await connect(port);
  const ways: ((client: Client, id: number, random: () => number) => Promise<string | null>)[] = [
    sequence,
    sequence,
    pipeline,
    pipeline,
    upload,
    upload,
    vanish,
    halfClose,
    slowReader,
    upgrade,
    malformed,
  ];
  try {
    return await pick(ways, random)(client, id, random);
  } catch (error) {
    // Cut short is what a broken upstream looks like; what does not parse is ours.
    if (error instanceof CutShort) return null;
    if (error instanceof Malformed) return `${id}: ${error.message}`;
    throw error;
  }
}

async function sequence(client: Client, id: number, random: () => number): Promise<string | null> {
  for (let i = 0; i < 1 + random() * 4; i++) {
    const method = pick(["GET", "GET", "HEAD", "DELETE", "OPTIONS"], random);
    const target = `/${id}/${i}/`;
    await client.send(head(method, target, random() < 0.1 ? "Connection: close\r\n" : ""));
    const wrong = await isOwn(client, method, target);
    if (wrong !== null) return wrong;
  }
  return null;
}

async function pipeline(client: Client, id: number, random: () => number): Promise<string | null> {
  const count = 2 + Math.floor(random() * 6);
  const methods = Array.from({ length: count }, () => pick(["GET", "HEAD", "POST"], random));
  const text = methods.map((method, i) =>
    method === "POST" ? head(method, `/${id}/${i}/`, "Content-Length: 3\r\n", "abc") : head(method, `/${id}/${i}/`),
  );
  await sendCut(client.connection, text.join(""), random);
  for (const [i, method] of methods.entries()) {
    const wrong = await isOwn(client, method, `/${id}/${i}/`);
    if (wrong !== null) return wrong;
  }
  return null;
}

async function upload(client: Client, id: number, random: () => number): Promise<string | null> {
  const method = pick(["PUT", "POST"], random);
  const body = "b".repeat(Math.floor(random() * 200_000));
  const expects = random() < 0.3 ? "Expect: 100-continue\r\n" : "";
  const target = `/${id}/up/`;
  const isChunked = random() < 0.5;
  const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
  await client.send(head(method, target, `${expects}${framing}\r\n`));
  if (random() < 0.2) await Bun.sleep(random() * 3);
  await sendCut(client.connection, isChunked ? inChunks(body, random) : body, random);
  return await isOwn(client, method, target);
}

function inChunks(body: string, random: () => number): string {
  let text = "";
  for (let at = 0; at < body.length; ) {
    const part = body.slice(at, at + 1 + Math.floor(random() * 50_000));
    text += `${part.length.toString(16)}\r\n${part}\r\n`;
    at += part.length;
  }
  return `${text}0\r\n${random() < 0.3 ? "X-Sum: 1\r\n" : ""}\r\n`;
}

async function vanish(client: Client, id: number, random: () => number): Promise<string | null> {
  const text = pick([head("GET", `/${id}/`), head("POST", `/${id}/`, "Content-Length: 100000\r\n", "some")], random);
  await client.send(text.slice(0, 1 + Math.floor(random() * text.length)));
  if (random() < 0.5) await Bun.sleep(random() * 3);
  if (random() < 0.5) client.connection.reset();
  else client.connection.close();
  return null;
}

async function halfClose(client: Client, id: number): Promise<string | null> {
  await client.send(head("GET", `/${id}/half/`));
  client.connection.shutdown();
  const wrong = await isOwn(client, "GET", `/${id}/half/`);
  await client.ended;
  return wrong;
}

async function slowReader(client: Client, id: number, random: () => number): Promise<string | null> {
  client.connection.pause();
  await client.send(head("GET", `/${id}/slow/`));
  await Bun.sleep(random() * 5);
  client.connection.resume();
  return await isOwn(client, "GET", `/${id}/slow/`);
}

async function upgrade(client: Client, id: number): Promise<string | null> {
  await client.send(head("GET", `/${id}/ws/`, "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  const { status } = await client.head();
  if (status !== 101) return null;
  await client.send(`hello ${id}`);
  const echo = (await client.connection.exactly("an echo", `hello ${id}`.length)).toString();
  return echo === `hello ${id}` ? null : `${id}: the tunnel echoed ${echo}`;
}

async function malformed(client: Client, id: number, random: () => number): Promise<string | null> {
  const bad = pick(
    ["Content-Length: 1\r\nContent-Length: 2\r\n", "X : y\r\n", "Transfer-Encoding: chunked\r\n"],
    random,
  );
  await client.send(head("GET", `/${id}/0/`) + head("POST", `/${id}/bad/`, bad, "nonsense"));
  const wrong = await isOwn(client, "GET", `/${id}/0/`);
  if (wrong !== null) return wrong;
  const { status } = await client.response("POST");
  return status >= 400 ? null : `${id}: a malformed request got ${status}`;
}

/** Null where the response is an error, says nothing, or begins with the request's own target. */
async function isOwn(client: Client, method: string, target: string): Promise<string | null> {
  const response = await client.response(method);
  if (response.status >= 400 || response.status === 204 || response.status === 101 || method === "HEAD") return null;
  return response.text.startsWith(target) ? null : `${target}: got ${response.status} ${response.text.slice(0, 40)}`;
}

function head(method: string, target: string, fields = "", body = ""): string {
  return `${method} ${target} HTTP/1.1\r\nHost: chaos\r\n${fields}\r\n${body}`;
}

async function sendCut(connection: Connection, text: string, random: () => number): Promise<void> {
  let at = 0;
  while (at < text.length) {
    const size = 1 + Math.floor(random() * text.length);
    await connection.write(text.slice(at, at + size));
    if (random() < 0.5) await Bun.sleep(0);
    at += size;
  }
}
