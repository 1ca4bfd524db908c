import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ControlClient } from "../../core/control/client/mod.ts";
import { type Program, runBinary, startBinary } from "./binary.ts";
import { eventually } from "./eventually.ts";
import { type Folder, temporaryFolder } from "./folder.ts";
import type { LogLine } from "./hop.ts";

/** The whole mesh on this machine: a control plane of the compiled binary, and the proxies that join it. */
export interface TestMesh {
  readonly folder: Folder;
  /** Asks the API as administrator. */
  readonly client: ControlClient;
  readonly control: Program;
  /** Address of the stream, where proxies join. */
  readonly stream: string;
  /** Runs a verb of the command line as administrator. */
  verb(...args: readonly string[]): ReturnType<typeof runBinary>;
  /** Applies documents; resolves when every proxy runs them. */
  apply(yaml: string): Promise<void>;
  /** Starts a proxy that joins as this workload, with `mesh proxy`, or with `mesh run` where there is a command. */
  join(name: string, options?: JoinOptions): Promise<Member>;
  /** Starts the control plane again, at the addresses of the one before. */
  restart(): Promise<void>;
  /** Endpoints of a Service that callers are told of now. */
  endpoints(service: string): Promise<number>;
  /** Resolves when so many workloads are registered, by default all that joined, and every proxy knows what runs. */
  settled(workloads?: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface MeshOptions {
  /** Documents of the config directory. */
  readonly config?: string;
  /** Further words for `mesh control`. */
  readonly flags?: readonly string[];
}

export interface JoinOptions {
  /** Port of the app; without one it only calls others. */
  readonly port?: number;
  /** @default "default" */
  readonly namespace?: string;
  /** Tells instances of one workload apart. @default the name */
  readonly as?: string;
  /** Further words for the verb. */
  readonly flags?: readonly string[];
  /** The app that `mesh run` starts. */
  readonly command?: readonly string[];
  /** Where the proxy listens for its peers. */
  readonly inbound?: string;
  /** No new token: it has joined before. */
  readonly known?: boolean;
  /** Resolves before the proxy serves. */
  readonly early?: boolean;
}

/** A proxy of the mesh, with what it says of the requests it met. */
export interface Member {
  readonly program: Program;
  readonly identity: string;
  /** Port of the forward proxy for its app. */
  readonly outbound: number;
  /** Port for its peers; 0 without an app. */
  readonly inbound: number;
  readonly admin: string;
  /** Port of the listener for a service. */
  listener(service: string): number;
  /** Lines of the access log for which this is true, once there are so many. */
  lines(holds: (line: LogLine) => boolean, count?: number): Promise<readonly LogLine[]>;
  /** Lines of the process log with this message. */
  said(message: string): readonly LogLine[];
  /** Sum of a counter's series with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

const ANY = "127.0.0.1:0";
const DOORS = ["--admin", ANY, "--health", ANY, "--metrics", ANY];

/** Starts the control plane; proxies join one by one. */
export async function startMesh(options: MeshOptions = {}): Promise<TestMesh> {
  const folder = temporaryFolder();
  const members: Member[] = [];
  await folder.write("config/mesh.yaml", options.config ?? "");
  let control = await startControl(folder, options, ANY, ANY);
  const ready = await control.ready();
  const [api, stream] = [String(ready["api"]), String(ready["stream"])];
  const token = (await Bun.file(String(ready["adminToken"])).text()).trim();
  const client = new ControlClient({ url: `http://${api}`, token });
  const verb = (...args: readonly string[]) =>
    runBinary([...args, "--control", `http://${api}`, "--data", join(folder.path, "control")]);
  return {
    ...{ folder, client, stream, verb },
    get control() {
      return control;
    },
    async apply(yaml) {
      const { revision } = await client.apply({ files: [{ file: "applied.yaml", text: yaml }] });
      await eventually(async () => (await client.revision(revision)).done, 10_000);
    },
    async join(name, more = {}) {
      const { known = false, namespace = "default" } = more;
      const secret = known
        ? null
        : (await client.createToken({ namespace, name, uses: 1, gateways: gatewaysIn(more.flags, namespace) })).token;
      const member = await startMember(folder, stream, name, secret, more);
      members.push(member);
      return member;
    },
    async restart() {
      control = await startControl(folder, options, api, stream);
      await control.ready();
    },
    async endpoints(service) {
      const row = (await client.services()).find(({ name }) => name === `default/${service}`);
      return row?.ports[0]?.endpoints.filter(({ weight }) => weight > 0).length ?? 0;
    },
    async settled(workloads = members.length) {
      await eventually(async () => {
        if ((await client.workloads()).length !== workloads) return false;
        return (await client.revision((await client.status()).control.revision)).done;
      }, 10_000);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([control, ...members].map((each) => each[Symbol.asyncDispose]()));
      await folder[Symbol.asyncDispose]();
    },
  };
}

function startControl(folder: Folder, { flags = [] }: MeshOptions, api: string, stream: string): Promise<Program> {
  const places = ["--data", join(folder.path, "control"), "--config", join(folder.path, "config")];
  return startBinary(["control", ...places, "--api", api, "--stream", stream, ...DOORS, ...flags, "-o", "json"]);
}

async function startMember(
  folder: Folder,
  stream: string,
  name: string,
  token: string | null,
  { port, namespace = "default", as = name, flags = [], command, inbound = ANY, early = false }: JoinOptions,
): Promise<Member> {
  const log = join(folder.path, `${as}.log`);
  const words = [
    ...[command === undefined ? "proxy" : "run", "--name", name, "--namespace", namespace, "--control", stream],
    ...(port === undefined ? [] : ["--port", String(port), "--inbound", inbound]),
    ...["--data", join(folder.path, as), "--outbound", ANY, ...DOORS, "--access-log", log],
    ...(flags.includes("--concurrency") ? [] : ["--concurrency", "1"]),
    ...[...flags, "-o", "json", ...(command === undefined ? [] : ["--", ...command])],
  ];
  const program = await startBinary(words, { env: token === null ? {} : { MESH_JOIN_TOKEN: token } });
  const ready = early ? {} : await program.ready();
  const text = (key: string): string => String(ready[key] ?? "");
  const listeners = (ready["listeners"] ?? []) as readonly { name: string; address: string }[];
  return {
    program,
    identity: text("identity"),
    outbound: portOf(text("outbound")),
    inbound: portOf(text("inbound")),
    admin: `http://${text("admin")}`,
    listener: (service) => portOf(listeners.find((each) => each.name === service)?.address ?? ""),
    lines: (holds, count = 1) => linesOf(log, holds, count),
    said: (message) => jsonLines(program.stderr).filter((line) => line["message"] === message),
    metric: async (metric, labels = {}) => sumOf(await metricsText(text("metrics")), metric, labels),
    async [Symbol.asyncDispose]() {
      // An app whose sidecar is killed goes on, with our end of its output.
      const apps = command === undefined ? [] : childrenOf(program.pid);
      program.kill("SIGKILL");
      for (const pid of apps) process.kill(pid, "SIGKILL");
      await program.exited;
    },
  };
}

function childrenOf(pid: number): number[] {
  try {
    const text = readdirSync(`/proc/${pid}/task`).map((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"),
    );
    return text.join(" ").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

function linesOf(file: string, holds: (line: LogLine) => boolean, count: number): Promise<readonly LogLine[]> {
  return eventually(async () => {
    const found = jsonLines(await Bun.file(file).text()).filter(holds);
    if (found.length < count) throw new Error(`Cannot find ${count} such lines in ${file}: it has ${found.length}`);
    return found;
  });
}

/** Whole lines that are JSON; an app of `mesh run` writes others. */
function jsonLines(text: string): LogLine[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogLine);
}

async function metricsText(address: string): Promise<string> {
  return await (await fetch(`http://${address}/metrics`)).text();
}

/** Sum of the series of a metric with these labels. */
export function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const series = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const holds = series.filter((line) => wanted.every((label) => line.includes(label)));
  return holds.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** A Service whose instances are the workloads of that name. */
export function serviceYaml(name: string, selector = `app: ${name}`): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {${selector}}, ports: [{name: http, port: 80}]}
`;
}

/**
 * A port that nobody has, from below those that the kernel gives out: whoever
 * asks for port 0 meanwhile does not get it.
 */
export function freePort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
      return port;
    } catch {
      // Taken: try another.
    }
  }
}

/** The Gateways that flags ask for, as a token must allow them. */
function gatewaysIn(flags: readonly string[] = [], namespace: string): readonly string[] {
  const names = flags.filter((_, i) => flags[i - 1] === "--gateway");
  return names.map((name) => (name === "*" || name.includes("/") ? name : `${namespace}/${name}`));
}
