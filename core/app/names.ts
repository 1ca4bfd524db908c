import { type Clock, type Log, messageOf, type Timer } from "../base/mod.ts";
import type { ClusterModel, EndpointModel, ResolveModel } from "../cluster/mod.ts";
import type { Resource, SnapshotModel } from "../snapshot/mod.ts";
import type { ResolveName } from "./resolver.ts";

/** A snapshot waits this long for names it is the first to have. */
const PATIENCE_MS = 2_000;
/** A name that did not resolve is asked for again after this. */
const RETRY_MS = 5_000;

export interface NamesOptions {
  /** Made when the first name is there: most proxies have none. */
  readonly resolver: () => Promise<ResolveName>;
  readonly clock: Clock;
  readonly log: Log;
  /** What a name resolves to has changed: the model is to be filled in and applied again. */
  readonly changed: () => void;
}

/** One name under watch. */
interface Watched {
  /** Those of the last good answer; DNS that fails takes no endpoint away. */
  addresses: readonly string[];
  timer: Timer | null;
  /** Settles with the first answer, also with a bad one. */
  readonly first: Promise<void>;
}

/**
 * The endpoints of clusters that are known by name: looked up, and again when
 * the answer's time is over. Nothing here is on the path of a request.
 */
export class Names {
  readonly #options: NamesOptions;
  readonly #watched = new Map<string, Watched>();
  #resolve: Promise<ResolveName> | null = null;
  #isClosed = false;

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /** Watches the names of a model, and no others; resolves when each has been looked up once, or after a while. */
  async follow({ resources }: SnapshotModel): Promise<void> {
    const hosts = new Set(resources.flatMap((resource) => namesOf(resource).map(({ host }) => host)));
    for (const [host, { timer }] of this.#watched) {
      if (hosts.has(host)) continue;
      timer?.cancel();
      this.#watched.delete(host);
    }
    const missing = [...hosts].filter((host) => !this.#watched.has(host));
    if (missing.length === 0) return;
    const patience = new Promise<void>((resolve) => void this.#options.clock.after(PATIENCE_MS, resolve));
    await Promise.race([Promise.all(missing.map((host) => this.#watch(host))), patience]);
  }

  #watch(host: string): Promise<void> {
    const first = Promise.withResolvers<void>();
    const watched: Watched = { addresses: [], timer: null, first: first.promise };
    this.#watched.set(host, watched);
    void this.#look(host, watched, false).then(first.resolve);
    return first.promise;
  }

  async #look(host: string, watched: Watched, tell: boolean): Promise<void> {
    const { resolver, clock, log, changed } = this.#options;
    let waitMs = RETRY_MS;
    let addresses = watched.addresses;
    try {
      this.#resolve ??= resolver();
      const answer = await (await this.#resolve)(host);
      if (answer.addresses.length > 0) addresses = answer.addresses;
      waitMs = answer.ttlMs;
    } catch (error) {
      log.warn("a name does not resolve", { host, reason: messageOf(error), kept: addresses.join(",") });
    }
    if (this.#isClosed || this.#watched.get(host) !== watched) return;
    const isNews = addresses.join() !== watched.addresses.join();
    watched.addresses = addresses;
    watched.timer = clock.after(waitMs, () => void this.#look(host, watched, true));
    if (!isNews) return;
    log.info("a name resolves", { host, addresses: addresses.join(",") });
    if (tell) changed();
  }

  /** The model with the endpoints of its names; the same object where it has none. */
  fill(model: SnapshotModel): SnapshotModel {
    if (!model.resources.some((resource) => namesOf(resource).length > 0)) return model;
    return { ...model, resources: model.resources.map((resource) => this.#filled(resource)) };
  }

  #filled(resource: Resource): Resource {
    const names = namesOf(resource);
    if (resource.kind !== "cluster" || names.length === 0) return resource;
    const { model } = resource;
    const endpoints = names.flatMap((name) => this.#endpointsOf(name, model));
    const places = endpoints.map(({ address, port, weight }) => `${address} ${port} ${weight}`).join();
    const version = `${resource.version}~${Bun.hash(places).toString(16)}`;
    return { ...resource, version, model: { ...model, endpoints } };
  }

  #endpointsOf({ host, port, weight }: Name, { service }: ClusterModel): readonly EndpointModel[] {
    const { namespace, name: app } = service;
    const workload = { name: host, namespace, app, version: "unknown" };
    return (this.#watched.get(host)?.addresses ?? []).map((address) => ({ address, port, weight, workload }));
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#watched.values()) timer?.cancel();
  }
}

type Name = NonNullable<ResolveModel["names"]>[number];

const NONE: readonly Name[] = [];

function namesOf(resource: Resource): readonly Name[] {
  return resource.kind === "cluster" ? (resource.model.resolve?.names ?? NONE) : NONE;
}
