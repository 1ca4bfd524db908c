import { randomBytes } from "node:crypto";
import { type Log, type LogFields, systemClock } from "../../core/base/mod.ts";
import { parseCidr } from "../../core/config/mod.ts";
import { ControlClient } from "../../core/control/client/mod.ts";
import { type Control, type ControlOptions, type ControlTiming, startControl } from "../../core/control/mod.ts";
import {
  type ControlAddress,
  type DataPlane,
  type Discovery,
  type DiscoveryOptions,
  type DiscoveryTiming,
  startDiscovery,
  type WorkloadClaim,
} from "../../core/discovery/mod.ts";
import type { Svid } from "../../core/identity/mod.ts";
import type { ResourceKey, SnapshotModel } from "../../core/snapshot/mod.ts";
import { type Folder, temporaryFolder } from "./folder.ts";

/** A control plane in this process, with a client that has the first administrator's token. */
export interface TestControl {
  readonly control: Control;
  readonly client: ControlClient;
  readonly data: string;
  /** What it logged, one line each: level and message. */
  readonly lines: string[];
  /** A join token for a workload. */
  token(
    name: string,
    options?: { namespace?: string; uses?: number; ttlMs?: number; gateways?: readonly string[] },
  ): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestControlOptions {
  /** Kept over a restart; a temporary one otherwise. */
  readonly data?: string;
  readonly config?: string;
  readonly timing?: Partial<ControlTiming>;
  /** Taken over from the control plane before. */
  readonly stream?: { readonly host: string; readonly port: number };
  readonly builtins?: ControlOptions["builtins"];
  /** A range like 127.0.2.0/24. */
  readonly gatewayAddresses?: string;
}

const QUICK_CONTROL: Partial<ControlTiming> = {
  pingMs: 100,
  deadMs: 1000,
  leaseMs: 500,
  debounceMs: 5,
  retryMs: 60_000,
};
const QUICK_PROXY: Partial<DiscoveryTiming> = { backoff: { minMs: 10, maxMs: 50 }, saveMs: 5, wantMs: 3000 };
const LOCAL = { host: "127.0.0.1", port: 0 };

export async function testControl(options: TestControlOptions = {}): Promise<TestControl> {
  const folder: Folder | null = options.data === undefined ? temporaryFolder() : null;
  const data = options.data ?? folder!.path;
  const lines: string[] = [];
  const control = await startControl({
    data,
    config: options.config ?? null,
    stream: options.stream ?? LOCAL,
    api: LOCAL,
    builtins: options.builtins ?? { builtin: () => null, builtinNames: [] },
    gatewayAddresses: parseCidr(options.gatewayAddresses),
    clock: systemClock,
    random: Math.random,
    randomBytes,
    log: lineLog(lines),
    software: "test",
    timing: { ...QUICK_CONTROL, ...options.timing },
  });
  const token = (await Bun.file(control.adminTokenFile).text()).trim();
  const { host, port } = control.addresses.api;
  const client = new ControlClient({ url: `http://${host}:${port}`, token });
  return {
    control,
    client,
    data,
    lines,
    token: async (name, { namespace = "default", ...rest } = {}) =>
      (await client.createToken({ namespace, name, ...rest })).token,
    async [Symbol.asyncDispose]() {
      await control.close();
      await folder?.[Symbol.asyncDispose]();
    },
  };
}

/** A data plane that only writes down what it is given. */
export interface RecordingPlane extends DataPlane {
  readonly models: SnapshotModel[];
  readonly svids: Svid[];
  /** Keys of what runs now. */
  keys(): ResourceKey[];
  /** Refuses snapshots for which this gives reasons. */
  refuse: (model: SnapshotModel) => readonly string[];
  /** Services that requests are said to have used. */
  services: string[];
}

export function recordingPlane(): RecordingPlane {
  const plane: RecordingPlane = {
    models: [],
    svids: [],
    services: [],
    refuse: () => [],
    async apply(model) {
      const reasons = plane.refuse(model);
      if (reasons.length > 0) throw Object.assign(new Error(reasons.join("; ")), { reasons });
      plane.models.push(model);
    },
    identify: (svid) => plane.svids.push(svid),
    used: () => plane.services,
    keys: () => plane.models.at(-1)?.resources.map(({ kind, name }): ResourceKey => `${kind}/${name}`) ?? [],
  };
  return plane;
}

export interface TestProxy {
  readonly discovery: Discovery;
  readonly plane: RecordingPlane;
  readonly lines: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestProxyOptions extends Partial<Omit<DiscoveryOptions, "timing" | "control">> {
  readonly control: ControlAddress | readonly ControlAddress[];
  readonly timing?: Partial<DiscoveryTiming>;
  readonly plane?: RecordingPlane;
}

export function testProxy({ control, timing, plane = recordingPlane(), ...options }: TestProxyOptions): TestProxy {
  const lines: string[] = [];
  const discovery = startDiscovery({
    control: Array.isArray(control) ? control : [control],
    directory: null,
    token: null,
    workload: null,
    pinned: [],
    dataPlane: plane,
    clock: systemClock,
    random: Math.random,
    log: lineLog(lines),
    software: "test",
    ...options,
    timing: { ...QUICK_PROXY, ...timing },
  });
  return { discovery, plane, lines, [Symbol.asyncDispose]: () => discovery.close() };
}

/** What a sidecar of an HTTP app says; ports tell replicas apart. */
export function claim(name: string, more: Partial<WorkloadClaim> & { inboundPort?: number } = {}): WorkloadClaim {
  const { inboundPort = 15006, ...rest } = more;
  return {
    name,
    namespace: "default",
    service: name,
    address: "127.0.0.1",
    ports: [{ port: 8080, name: "", protocol: "http", inboundPort }],
    labels: {},
    weight: 1,
    ...rest,
  };
}

function lineLog(lines: string[]): Log {
  const at = (level: string) => (message: string, fields?: LogFields) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  };
  const log: Log = {
    level: "debug",
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: () => log,
  };
  return log;
}
