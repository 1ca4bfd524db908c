import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  Bound,
  Credentials,
  Door,
  ListenerPlan,
  ProxyOptions,
  ProxySource,
  RunningProxy,
} from "../core/app/mod.ts";
import { jsonLog, LOG_LEVELS, type Log, messageOf, systemClock, systemRandom } from "../core/base/mod.ts";
import { type Locality, parseLocality } from "../core/cluster/mod.ts";
import { type Address, formatAddress, parseAddress } from "../core/config/mod.ts";
import { openLogSink } from "../core/telemetry/mod.ts";
import { version as VERSION } from "../package.json";
import { address, choice, count, duration, list, type Spelling, text, valued, withDefault } from "./flag.ts";
import { outputFlag } from "./output.ts";
import { Usage } from "./usage.ts";

/** A port of the app, as `--port` takes it. */
export interface AppPort {
  readonly port: number;
  readonly name: string;
  readonly protocol: "http" | "tcp";
}

/** An explicit listener, as `--listen` takes it. */
export interface ListenArgument {
  readonly address: Address;
  readonly service: string;
  readonly servicePort: number;
  readonly tls: boolean;
  /** It takes datagrams. */
  readonly udp: boolean;
}

/** Flags that `mesh proxy` and `mesh run` share. */
export const SERVING_FLAGS = {
  name: text({ hint: "NAME", about: "name of the workload, and of its identity" }),
  namespace: withDefault(text({ hint: "NAMESPACE", about: "namespace of the workload" }), "default"),
  service: text({ hint: "NAME", about: "Service it belongs to; the workload's name where not given" }),
  version: text({ hint: "VERSION", about: 'label "version" of the workload' }),
  label: list(
    valued("a label like KEY=VALUE", parseLabel, { hint: "KEY=VALUE", about: "further label of the workload" }),
  ),
  locality: valued("a locality like REGION/ZONE/SUBZONE", parseLocality, {
    hint: "REGION[/ZONE[/SUBZONE]]",
    about: "where it is: endpoints that are near are called first; told to the mesh as topology labels",
  }),
  port: list(valued("PORT[:NAME[/http|/tcp]]", parseAppPort, { hint: "PORT", about: "port of the app, on 127.0.0.1" })),
  control: list(
    address({
      hint: "HOST:PORT",
      env: "MESH_CONTROL_STREAM",
      about: "control plane's stream; several are tried in turn",
    }),
  ),
  token: text({ hint: "TOKEN", env: "MESH_JOIN_TOKEN", about: "join token, for the first start" }),
  tokenFile: text({ hint: "FILE", about: "file with the join token" }),
  data: text({ hint: "DIR", about: "where identity and last good configuration are kept" }),
  listen: list(
    valued("an address and a service like 127.0.0.1:8080=web, with :PORT, /udp and ,tls", parseListen, {
      hint: "ADDR=SERVICE",
      about:
        "listener for one service, whatever the Host; [:PORT] of it, [/udp] for datagrams, [,tls] with the certificate",
    }),
  ),
  inbound: address({ hint: "ADDR", about: "where peers reach the app by mutual TLS; 0.0.0.0:0 where not given" }),
  advertise: text({ hint: "ADDRESS", about: "address peers are told; found out where not given" }),
  outbound: address({ hint: "ADDR", about: "forward proxy for the app; 127.0.0.1:15001 where not given" }),
  dns: list(
    address({
      hint: "ADDR",
      about: "DNS server that is asked for hosts of ExternalServices; the system's where not given",
    }),
  ),
  admin: address({ hint: "ADDR", about: "admin port; 127.0.0.1:15000 where not given" }),
  health: address({ hint: "ADDR", about: "/live and /ready; 127.0.0.1:15021 where not given" }),
  metrics: address({ hint: "ADDR", about: "/metrics for Prometheus; 127.0.0.1:15090 where not given" }),
  accessLog: withDefault(text({ hint: "TARGET", about: "stdout, stderr, off, or a file" }), "stdout"),
  logLevel: withDefault(
    choice(LOG_LEVELS, { hint: "LEVEL", about: "least level of the process log on stderr" }),
    "info",
  ),
  concurrency: count({ hint: "N", about: "threads that serve; the cores of the machine where not given" }),
  trim: withDefault(
    choice(["on", "off"], { hint: "on|off", about: "give unused pages of the program back to the system" }),
    "on",
  ),
  drain: withDefault(duration({ hint: "TIME", about: "time for requests under way when it ends" }), "30s"),
  output: outputFlag(),
} as const;

type Read<F> = { readonly [K in keyof F]: F[K] extends { read(given: readonly string[]): infer T } ? T : never };
export type ServingFlags = Read<typeof SERVING_FLAGS>;

function parseLabel(given: string): readonly [string, string] | null {
  const at = given.indexOf("=");
  return at > 0 ? [given.slice(0, at), given.slice(at + 1)] : null;
}

function parseAppPort(given: string): AppPort | null {
  const found = /^(\d{1,5})(?::([a-z0-9-]+))?(?:\/(http|tcp))?$/.exec(given);
  const port = Number(found?.[1] ?? 0);
  if (found === null || port < 1 || port > 65535) return null;
  return { port, name: found[2] ?? "http", protocol: found[3] === "tcp" ? "tcp" : "http" };
}

function parseListen(given: string): ListenArgument | null {
  const found = /^([^=]+)=([a-z0-9.-]+(?:\/[a-z0-9.-]+)?)(?::(\d{1,5}))?(\/udp|,tls)?$/.exec(given);
  const at = found === null ? null : parseAddress(found[1]);
  if (found === null || at === null) return null;
  const [namespace, name] = (found[2] ?? "").includes("/") ? found[2]!.split("/") : [null, found[2]!];
  const service = namespace === null ? name! : `${name}.${namespace}`;
  return {
    address: at,
    service,
    servicePort: Number(found[3] ?? 0),
    tls: found[4] === ",tls",
    udp: found[4] === "/udp",
  };
}

/**
 * The process log: JSON lines on stderr, so that stdout is the access log's or
 * the app's. Lines that nobody reads are lost: the data plane waits for no
 * reader. (`process.stderr` would wait, and holds 6 MB of stream code.)
 */
export function processLog(flags: ServingFlags): Log {
  const sink = openLogSink("stderr");
  const write = (line: string): void => {
    const bytes = Buffer.from(line);
    sink.write(bytes, 0, bytes.length);
  };
  return jsonLog(systemClock, write, flags.logLevel);
}

/** Loaded where something is asked of it: most of what a proxy is told it needs no answers for. */
function os(): typeof import("node:os") {
  return process.getBuiltinModule("node:os");
}

/** `--listen` in the data plane's words. */
export function listenPlans(flags: ServingFlags, hasIdentity: boolean): readonly ListenerPlan[] {
  return flags.listen.map(({ address: at, service, servicePort, tls, udp }) => {
    if (tls && !hasIdentity)
      throw new Usage("--listen with ,tls needs a certificate: give --identity or a control plane");
    return {
      kind: "service",
      name: service,
      hostname: at.host,
      port: at.port,
      transport: tls ? "tls" : "plain",
      host: service,
      servicePort,
      ...(udp ? { datagrams: true } : {}),
    };
  });
}

/** The app's own listeners: what peers reach, and its way out. */
export function sidecarPlans(flags: ServingFlags, outbound: Address | null): readonly ListenerPlan[] {
  const inbound = flags.inbound ?? { host: "0.0.0.0", port: 0 };
  if (flags.port.length > 1 && inbound.port !== 0)
    throw new Usage("--inbound with a port serves one --port only: give port 0");
  const plans: ListenerPlan[] = flags.port.map(({ port }) => ({
    kind: "inbound",
    name: "inbound",
    hostname: inbound.host,
    port: inbound.port,
    transport: "mesh",
    appPort: port,
  }));
  if (outbound !== null) {
    plans.push({ kind: "forward", name: "outbound", hostname: outbound.host, port: outbound.port, transport: "plain" });
  }
  return plans;
}

/** Everything discovery needs, from the flags. */
export async function controlSource(flags: ServingFlags, log: Log): Promise<ProxySource> {
  const { name, namespace, control } = flags;
  if (name === null) throw new Usage("--name is missing: it names the workload and its identity");
  const labels = {
    app: name,
    ...(flags.version === null ? {} : { version: flags.version }),
    ...topologyLabels(flags.locality),
    ...Object.fromEntries(flags.label),
  };
  const token = flags.token ?? (flags.tokenFile === null ? null : readText(flags.tokenFile, "the join token").trim());
  return {
    kind: "control",
    discovery: {
      control,
      directory: dataDirectory(flags.data, `${namespace}.${name}`, log),
      token,
      pinned: flags.listen.map(({ service }) => service),
      software: VERSION,
    },
    workload: (inbound) => ({
      name,
      namespace,
      service: flags.port.length === 0 ? "" : (flags.service ?? name),
      address: flags.advertise ?? reachableAddress(flags.inbound?.host ?? "0.0.0.0"),
      ports: flags.port.map(({ port, name: portName, protocol }) => ({
        port,
        name: portName,
        protocol,
        inboundPort: inbound.get(port)!,
      })),
      labels,
      weight: 1,
    }),
  };
}

/** The labels by which Kubernetes and Istio know where a workload is. */
function topologyLabels(locality: Locality | null): Readonly<Record<string, string>> {
  const { region = "", zone = "", subZone = "" } = locality ?? {};
  return {
    ...(region === "" ? {} : { "topology.kubernetes.io/region": region }),
    ...(zone === "" ? {} : { "topology.kubernetes.io/zone": zone }),
    ...(subZone === "" ? {} : { "topology.istio.io/subzone": subZone }),
  };
}

/** The directory given, or one of the user's own; null, with a warning, where none can be written. */
function dataDirectory(given: string | null, key: string, log: Log): string | null {
  if (given !== null) return given;
  const state = process.env["XDG_STATE_HOME"] || join(os().homedir(), ".local", "state");
  const directory = join(state, "mesh", key);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  } catch (error) {
    log.warn("nothing is kept for a restart: give --data DIR", { reason: messageOf(error) });
    return null;
  }
}

/** Where peers on other machines find us; our own loopback where there is no other. */
function reachableAddress(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const addresses = Object.values(os().networkInterfaces()).flatMap((each) => each ?? []);
  const outward = addresses.find(({ internal, family }) => !internal && family === "IPv4");
  return outward?.address ?? "127.0.0.1";
}

/** A workload's labels in metrics and logs. */
function selfOf(flags: ServingFlags): ProxyOptions["self"] {
  const { name, namespace, version } = flags;
  return name === null ? null : { name, namespace, app: name, version: version ?? "" };
}

/** What both verbs give to `startProxy` alike. */
export function commonOptions(flags: ServingFlags, log: Log) {
  const concurrency = Math.max(1, flags.concurrency ?? os().availableParallelism());
  return {
    concurrency,
    self: selfOf(flags),
    accessLog: flags.accessLog === "off" ? null : { target: flags.accessLog, format: "json" as const },
    maxConnections: maxConnections(concurrency),
    trim: flags.trim === "on",
    dns: flags.dns,
    locality: flags.locality,
    doors: {
      admin: door(flags.admin, 15000),
      health: door(flags.health, 15021),
      metrics: door(flags.metrics, 15090),
    },
    clock: systemClock,
    log,
    random: systemRandom,
  };
}

function door(given: Address | null, port: number): Door {
  return given === null ? { address: { host: "127.0.0.1", port }, free: true } : { address: given, free: false };
}

/** Descriptors kept for files, the control plane and side doors. */
const SPARE_DESCRIPTORS = 128;

/** A connection takes two descriptors, one for each side; at the limit Bun would spin in accept. */
function maxConnections(workers: number): number {
  const limits = readText("/proc/self/limits", "the descriptor limit");
  const soft = Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 1024);
  return Math.max(64, Math.floor((soft - SPARE_DESCRIPTORS) / 2 / workers));
}

export function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`Cannot read ${what} from ${path}: ${messageOf(error)}`);
  }
}

export const IDENTITY: Spelling = {
  hint: "CERT,KEY[,BUNDLE]",
  about: "PEM files: certificate, key, and the roots that peers must prove themselves by",
};

/** Credentials from `--identity`; what is not an SVID has no SPIFFE ID. */
export async function credentialsFrom(given: string | null): Promise<Credentials | null> {
  if (given === null) return null;
  const [certificate, privateKey, bundle, extra] = given.split(",");
  if (certificate === undefined || privateKey === undefined || extra !== undefined) {
    throw new Usage(`--identity must be ${IDENTITY.hint}: current value is "${given}"`);
  }
  const { readLeaf, svidIdOf } = await import("../core/identity/mod.ts");
  const text = readText(certificate, "the certificate");
  return {
    spiffeId: svidIdOf(readLeaf(text)),
    certificate: text,
    privateKey: readText(privateKey, "the private key"),
    bundle: bundle === undefined ? null : readText(bundle, "the bundle"),
  };
}

/** The one line that says where everything is. */
export function announce(role: string, proxy: RunningProxy, output: "table" | "json"): void {
  const doors = Object.fromEntries(
    Object.entries(proxy.doors).map(([name, at]) => [name, at === null ? null : formatAddress(at)]),
  );
  const listeners = proxy.bound.map(({ name, hostname, port }) => ({
    name,
    address: formatAddress({ host: hostname, port }),
  }));
  const first = (name: string): string | null => listeners.find((each) => each.name === name)?.address ?? null;
  if (output === "json") {
    const { revision, identity } = proxy;
    const line = {
      ready: true,
      role,
      listeners,
      outbound: first("outbound"),
      inbound: first("inbound"),
      ...doors,
      revision,
      identity,
      // Only where there are some: a port of a Gateway that cannot be bound costs no other one.
      ...(proxy.gatewayProblems.length > 0 && { problems: proxy.gatewayProblems }),
    };
    console.log(JSON.stringify(line));
    return;
  }
  const places = [
    ...listeners.map(({ name, address: at }) => `${name} on ${at}`),
    ...Object.entries(doors).map(([name, at]) => `${name} on ${at}`),
  ];
  for (const { gateway, port, address: at, problem } of proxy.gatewayProblems)
    console.log(`mesh ${role} does not serve port ${port} of ${gateway} on ${at}: ${problem}`);
  console.log(`mesh ${role} serves revision ${proxy.revision || "none"}: ${places.join(", ")}`);
}

export type { Bound };
