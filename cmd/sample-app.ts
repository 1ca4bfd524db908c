import { messageOf, systemClock } from "../core/base/mod.ts";
import { formatAddress } from "../core/config/mod.ts";
import { count, text, withDefault } from "./flag.ts";
import { outputFlag } from "./output.ts";
import { firstSignal } from "./signals.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: {
    port: withDefault(count({ hint: "PORT", about: "where it listens; 0 lets the system choose" }), "8080"),
    host: withDefault(text({ hint: "ADDRESS", about: "the address it listens on" }), "127.0.0.1"),
    name: withDefault(text({ hint: "NAME", about: "what it calls itself in its answers" }), "sample"),
    version: withDefault(text({ hint: "VERSION", about: "the version it says it is" }), "v1"),
    output: outputFlag(),
  },
  details: [
    "A small HTTP service to try a mesh with. It answers with its name, its version and what it saw of the request.",
    "/status/404 answers with that status, /slow/250 after so many milliseconds, /echo with the body it got, and",
    "/call?url=http://web/ with what another service says, asked through HTTP_PROXY where that is set.",
  ].join(" "),
  examples: [
    ["mesh sample-app --port 9001 --name web", "by itself"],
    ["mesh run --name web --port 9001 --token TOKEN -- mesh sample-app --port 9001 --name web", "in a mesh"],
  ],
  async run({ flags }) {
    const { name, version } = flags;
    const server = serve(flags.host, flags.port, { name, version, pid: process.pid });
    const address = formatAddress({ host: flags.host, port: server.port ?? flags.port });
    if (flags.output === "json")
      console.log(JSON.stringify({ ready: true, role: "sample-app", name, version, address }));
    else console.log(`${name} ${version} serves on http://${address}`);
    await firstSignal();
    await server.stop();
    return 0;
  },
});

/** What it says of itself in every answer. */
interface Self {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
}

function serve(hostname: string, port: number, self: Self): Bun.Server<undefined> {
  const fetch = (request: Request) => answer(request, self);
  try {
    // Said outright: Bun shares a taken port instead of refusing it, unless told not to.
    return Bun.serve({ hostname, port, fetch, reusePort: false, development: false });
  } catch (cause) {
    const where = formatAddress({ host: hostname, port });
    throw new Error(`Cannot listen on ${where}: ${messageOf(cause)}; free it or choose another with --port`, { cause });
  }
}

async function answer(request: Request, self: Self): Promise<Response> {
  const url = new URL(request.url);
  const [, page = "", argument = ""] = url.pathname.split("/");
  const seen = { ...self, method: request.method, path: url.pathname + url.search, headers: headersOf(request) };
  if (page === "echo") return new Response(request.body, { headers: { "x-app": self.name } });
  if (page === "call") return await call(url.searchParams.get("url") ?? "", request);
  if (page === "slow") await delay(Math.min(Number(argument) || 0, MAX_DELAY_MS));
  const status = page === "status" ? Number(argument) : 200;
  return Response.json(seen, { status: status >= 200 && status <= 599 ? status : 400 });
}

const MAX_DELAY_MS = 60_000;

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(ms, resolve));
}

/** Asks another service; Bun's client honours HTTP_PROXY, as most do. The caller's own headers go along. */
async function call(url: string, { headers }: Request): Promise<Response> {
  const sent = new Headers([...headers].filter(([name]) => name.startsWith("x-") || name === "traceparent"));
  try {
    const response = await fetch(url, { headers: sent, redirect: "manual" });
    return new Response(response.body, { status: response.status, headers: response.headers });
  } catch (error) {
    return Response.json({ error: `Cannot call "${url}": ${messageOf(error)}` }, { status: 502 });
  }
}

function headersOf(request: Request): Record<string, string> {
  return Object.fromEntries(request.headers);
}
