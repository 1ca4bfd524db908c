import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Log, MeshError } from "../base/mod.ts";
import type { Cidr } from "../config/mod.ts";
import type { GivenAuthority, ServerNames } from "../identity/authority/mod.ts";
import { openSqliteStore } from "../store/mod.ts";
import { type ApiServer, serveApi } from "./api.ts";
import { type ApiTokenRecord, ApiTokens } from "./api-token.ts";
import { Applied, type AppliedRecord } from "./applied.ts";
import { Audit } from "./audit.ts";
import { type Builtins, Configuration, type Submission } from "./configuration.ts";
import { Issuing } from "./identity.ts";
import { type JoinTokenRecord, JoinTokens } from "./join-token.ts";
import { loadKept } from "./kept.ts";
import { listenForProxies, type StreamListener } from "./listener.ts";
import { type ControlCounts, type ControlObserver, newCounts } from "./metrics.ts";
import { modulesIn } from "./module-store.ts";
import { Plane } from "./plane.ts";
import { Publisher } from "./publisher.ts";
import type { Storage } from "./record.ts";
import { type Registered, Registry } from "./registry.ts";
import { type RolloutRecord, Rollouts } from "./rollout/mod.ts";
import type { RandomBytes } from "./secret.ts";
import { storageIn } from "./storage.ts";
import { Streams } from "./streams.ts";
import { decideTrustDomain, trustDomainProblems, withTrustDomain } from "./trust-domain.ts";

export interface ControlTiming {
  /** A silent stream is pinged this often, and dead after `deadMs`. */
  readonly pingMs: number;
  readonly deadMs: number;
  /** Handshake, and then the first request, of a proxy. */
  readonly greetingMs: number;
  /** A registration outlives its stream by this. */
  readonly leaseMs: number;
  /** Changes that come together are compiled together. */
  readonly debounceMs: number;
  readonly ackMs: number;
  /** Refused content is sent again after this. */
  readonly retryMs: number;
  readonly leafLifetimeMs: number;
  /** An expired certificate is still good for a new one. */
  readonly graceMs: number;
}

const HOUR_MS = 3_600_000;
/** A proxy that does not confirm must not keep a step from beginning. */
const ROLLOUT_WAIT_MS = 10_000;

export const CONTROL_TIMING: ControlTiming = {
  pingMs: 5000,
  deadMs: 15_000,
  greetingMs: 10_000,
  leaseMs: 15_000,
  debounceMs: 20,
  ackMs: 60_000,
  retryMs: 30_000,
  leafLifetimeMs: HOUR_MS,
  graceMs: 24 * HOUR_MS,
};

export interface Listen {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface ControlOptions {
  /** Everything that has to survive: store, tokens, audit log. Made when it is not there. */
  readonly data: string;
  /** Directory of manifests; null without one. */
  readonly config: string | null;
  /** Streams of proxies; 15012. */
  readonly stream: Listen;
  /** HTTP API; 15080. */
  readonly api: Listen;
  /** Names by which TLS clients may know the control plane, beside its SPIFFE ID. */
  readonly names?: ServerNames;
  /** Signs instead of an authority of our own. */
  readonly authority?: GivenAuthority;
  readonly builtins: Builtins;
  /** Where Gateways get their addresses from; without it proxies bind what they were told. */
  readonly gatewayAddresses?: Cidr | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly randomBytes: RandomBytes;
  readonly log: Log;
  readonly software: string;
  readonly observer?: ControlObserver;
  readonly timing?: Partial<ControlTiming>;
}

export interface Control {
  readonly addresses: { readonly stream: Listen; readonly api: Listen };
  readonly trustDomain: string;
  /** Where the token of the first administrator lies. */
  readonly adminTokenFile: string;
  /** Numbers for metrics, always current. */
  readonly counts: Readonly<ControlCounts>;
  /** Newest revision; empty before the first. */
  readonly revision: string;
  /** Whether it answers proxies and callers; for the health door. */
  readonly ready: boolean;
  close(): Promise<void>;
}

/** The control plane cannot start. */
export class ControlFailed extends MeshError {
  override readonly name = "ControlFailed";
  readonly code = "MESH_CONTROL_FAILED";
  readonly source = "mesh";
}

/**
 * Starts a control plane: store, authority, registry, configuration, then the
 * doors for proxies and for people. Resolves when a revision is published and
 * both doors are open.
 *
 * @throws {StoreUnavailable | ControlFailed | UnusableAuthority}
 */
export async function startControl(options: ControlOptions): Promise<Control> {
  await mkdir(options.data, { recursive: true, mode: 0o700 });
  await chmod(options.data, 0o700);
  const storage = storageIn(openSqliteStore({ directory: options.data, clock: options.clock }));
  const starting = new Starting(options, storage);
  try {
    return await starting.run();
  } catch (error) {
    await starting.stop();
    throw error;
  }
}

/** Builds the parts in order; what was built is stopped in reverse, also when a later part fails. */
class Starting {
  readonly #options: ControlOptions;
  readonly #storage: Storage;
  readonly #timing: ControlTiming;
  readonly #counts = newCounts();
  readonly #stops: (() => unknown)[] = [];

  constructor(options: ControlOptions, storage: Storage) {
    this.#options = options;
    this.#storage = storage;
    this.#timing = { ...CONTROL_TIMING, ...options.timing };
    this.#stops.push(() => storage.close());
  }

  async run(): Promise<Control> {
    const { clock, log, software, randomBytes, data } = this.#options;
    const trustDomain = await decideTrustDomain(this.#storage, this.#options.config);
    const issuing = await this.#issuing(trustDomain);
    const plane = await this.#plane(issuing);
    const tokens = this.#storage.records<ApiTokenRecord>("api-tokens");
    const apiTokens = new ApiTokens(tokens, clock, randomBytes);
    const adminTokenFile = await this.#firstAdmin(apiTokens);
    const audit = new Audit(join(data, "audit.log"), clock, log);
    const stream = this.#listen(plane, issuing);
    const api = this.#serve({ plane, issuing, apiTokens, audit, log, software, startedAt: clock.now() });
    log.info("control plane serves", { stream: text(stream), api: text(api), trustDomain });
    return this.#control(plane, stream, api, trustDomain, adminTokenFile);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  async #issuing(trustDomain: string): Promise<Issuing> {
    const { clock, random, log, authority, names = { dns: [], addresses: [] } } = this.#options;
    const { leafLifetimeMs, graceMs } = this.#timing;
    const issuing = await Issuing.start({
      ...{ trustDomain, clock, random, log, counts: this.#counts, storage: this.#storage },
      ...{ given: authority ?? null, leafLifetimeMs, graceMs, names },
    });
    this.#stops.push(() => issuing.stop());
    return issuing;
  }

  async #plane(issuing: Issuing): Promise<Plane> {
    const { clock, log, config, builtins, data, software, randomBytes, observer = {} } = this.#options;
    const { gatewayAddresses = null } = this.#options;
    const { leaseMs, debounceMs, pingMs, deadMs, ackMs, retryMs } = this.#timing;
    const state = this.#storage.records<string>("control");
    const applied = new Applied(this.#storage.records<AppliedRecord>("documents"), modulesIn(join(data, "modules")));
    const kept = await loadKept({ storage: this.#storage, clock, log, applied, gatewayAddresses });
    const { statuses, generations, book, gatewayPermits } = kept;
    const publisher: Publisher = new Publisher({
      ...{ clock, debounceMs, last: await state.get("revision") },
      compile: () => withTrustDomain(configuration.compile(), issuing.trustDomain),
      keep: async (revision, { gatewayAddresses }) => {
        await book.keep(gatewayAddresses);
        await state.put("revision", revision);
      },
      published: (compiled) => {
        statuses.take(compiled.statuses);
        plane.published();
      },
      failed: (error) => log.error(`Cannot compile the configuration: ${String(error)}`),
    });
    const registry: Registry = await Registry.load({
      ...{ clock, log, leaseMs, records: this.#storage.records<Registered>("registrations") },
      changed: () => this.#registered(registry, publisher),
    });
    this.#counts.registrations = registry.size;
    const texts = this.#storage.records<readonly { file: string; text: string }[]>("last-good");
    const streams = new Streams(clock, leaseMs);
    const rollouts: Rollouts = new Rollouts({
      ...{ clock, log, records: this.#storage.records<RolloutRecord>("rollouts") },
      documents: () => configuration.documents,
      isApplied: (document) => configuration.isApplied(document),
      isRunning: (cluster) => plane.newest()?.resources.has(`cluster/${cluster}`) ?? true,
      apply: async (raw) => (await configuration.submit(asWritten(raw), true)).accepted,
      publish: async () => {
        publisher.changed();
        await publisher.flush();
        await streams.confirmed(plane.revision, null, ROLLOUT_WAIT_MS);
      },
      measure: (wanted) => streams.measure(wanted),
    });
    await rollouts.load();
    const configuration: Configuration = new Configuration({
      ...{ clock, log, directory: config, builtins },
      ...{ applied, generations, gatewayAddresses: () => book.addresses() },
      gatewayReports: (gateway) => streams.gateway(gateway),
      registrations: () => registry.list(),
      lastGood: { load: () => texts.get("directory"), save: (good) => texts.put("directory", good) },
      shape: (documents) => rollouts.shape(documents),
      check: (documents) => trustDomainProblems(documents, issuing.trustDomain),
      changed: () => publisher.changed(),
      tried: (errors) => {
        this.#counts.configProblems = errors;
      },
    });
    const joinTokens = new JoinTokens(this.#storage.records<JoinTokenRecord>("join-tokens"), clock, randomBytes);
    const plane: Plane = new Plane({
      ...{ clock, log, counts: this.#counts, observer, software },
      ...{ linkTiming: { pingMs, deadMs }, timing: { ackMs, retryMs } },
      ...{ configuration, publisher, registry, streams, joinTokens, issuing, rollouts, statuses, gatewayPermits },
    });
    this.#stops.push(
      () => statuses.settled(),
      () => plane.stop(),
    );
    await configuration.start();
    publisher.changed();
    await publisher.flush();
    rollouts.resume();
    return plane;
  }

  #registered(registry: Registry, publisher: Publisher): void {
    this.#counts.registrations = registry.size;
    publisher.changed();
  }

  /** The first start makes an administrator; the file is the only place its token is ever written to. */
  async #firstAdmin(apiTokens: ApiTokens): Promise<string> {
    const { data, log } = this.#options;
    const path = join(data, "admin.token");
    if ((await apiTokens.list()).length > 0) return path;
    const { token } = await apiTokens.create("admin", "admin");
    await writeFile(`${path}.tmp`, `${token}\n`, { mode: 0o600 });
    await chmod(`${path}.tmp`, 0o600);
    await rename(`${path}.tmp`, path);
    log.info("made the first API token, role admin", { file: path });
    return path;
  }

  #listen(plane: Plane, issuing: Issuing): StreamListener {
    const { clock, log, stream } = this.#options;
    try {
      const listener = listenForProxies({
        ...{ hostname: stream.host, port: stream.port, clock, log, counts: this.#counts, reception: plane },
        ...{ tls: issuing.tls, lapsed: issuing.lapsed, greetingMs: this.#timing.greetingMs, maxConnections: 10_000 },
      });
      this.#stops.push(() => listener.close());
      return listener;
    } catch (error) {
      throw cannotListen("proxies", stream, error);
    }
  }

  #serve(sources: Parameters<typeof serveApi>[0]): ApiServer {
    const { api } = this.#options;
    try {
      const server = serveApi(sources, api);
      this.#stops.push(() => server.close());
      return server;
    } catch (error) {
      throw cannotListen("the API", api, error);
    }
  }

  #control(plane: Plane, stream: StreamListener, api: ApiServer, trustDomain: string, adminTokenFile: string): Control {
    let open = true;
    const close = async (): Promise<void> => {
      open = false;
      await this.stop();
    };
    return {
      addresses: {
        stream: { host: stream.hostname, port: stream.port },
        api: { host: api.hostname, port: api.port },
      },
      ...{ trustDomain, adminTokenFile, counts: this.#counts, close },
      get revision() {
        return plane.revision;
      },
      get ready() {
        return open;
      },
    };
  }
}

/** A document of a rollout, as if somebody had sent it. */
function asWritten(raw: unknown): Submission {
  return { texts: [{ file: "rollout", text: JSON.stringify(raw) }], module: () => null };
}

function text({ hostname, port }: { readonly hostname: string; readonly port: number }): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function cannotListen(whom: string, { host, port }: Listen, cause: unknown): ControlFailed {
  const code = (cause as { code?: string }).code ?? "";
  const taken = code === "EADDRINUSE" || /in use/i.test(String(cause));
  const state = taken ? "another process listens there; stop it or choose another port" : String(cause);
  return new ControlFailed(`Cannot listen for ${whom} on ${text({ hostname: host, port })}: ${state}`, { cause });
}
