import { type Clock, type Log, messageOf, type Timer } from "../base/mod.ts";
import type { GatewayModel, SnapshotModel } from "../snapshot/mod.ts";
import { type Bound, isSamePlace, type ListenerPlan } from "./plan.ts";
import type { Planes } from "./planes.ts";

/** Which gateways a proxy runs, and where. */
export interface GatewayChoice {
  /** `<namespace>/<name>`, or "*" for all that it is told of. */
  readonly names: readonly string[];
  /** Address for a Gateway that has none of its own. */
  readonly bind: string;
  /** Added to every port of a listener, so that no right is needed for the low ones. */
  readonly portOffset: number;
  /** Ranges of proxies in front of it whose word about their clients is believed. */
  readonly trusted: readonly string[];
}

/** A port that is to be served and is not. */
export interface GatewayProblem {
  readonly gateway: string;
  readonly port: number;
  readonly address: string;
  readonly problem: string;
}

/** A plan, and why it cannot be followed: another gateway has its place. */
interface Wanted {
  readonly plan: GatewayPlan;
  readonly problem: string | null;
}

type GatewayPlan = Extract<ListenerPlan, { kind: "gateway" }>;

interface Open {
  readonly plan: GatewayPlan;
  readonly bound: Bound;
}

export interface GatewayPortsOptions {
  readonly choice: GatewayChoice;
  readonly planes: Pick<Planes, "open" | "shut">;
  readonly clock: Clock;
  readonly log: Log;
  /** Something is bound, or cannot be, that was not so before. */
  readonly changed?: (state: readonly GatewayState[]) => void;
}

/** A gateway as it is served here. */
export interface GatewayState {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly problems: readonly Omit<GatewayProblem, "gateway">[];
}

/** What could not be bound is tried again after this long: whoever has it may go. */
const RETRY_MS = 5_000;

/**
 * The ports of the gateways that a proxy runs, opened and closed as models
 * come. A port that cannot be bound costs no other one.
 */
export class GatewayPorts {
  readonly #choice: GatewayChoice;
  readonly #planes: Pick<Planes, "open" | "shut">;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed: (state: readonly GatewayState[]) => void;
  #told = "";
  /** Chosen by name, and not there. */
  #absent: readonly string[] = [];
  #open: readonly Open[] = [];
  #problems: readonly GatewayProblem[] = [];
  #turn: Promise<void> = Promise.resolve();
  #retry: Timer | null = null;
  #isClosed = false;

  constructor(options: GatewayPortsOptions) {
    this.#choice = options.choice;
    this.#planes = options.planes;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#changed = options.changed ?? (() => {});
  }

  get bound(): readonly Bound[] {
    return this.#open.map(({ bound }) => bound);
  }

  get problems(): readonly GatewayProblem[] {
    return this.#problems;
  }

  /**
   * Makes what is bound what the model says, one model after the other. The
   * model is served by then: what cannot be bound is a problem, and no refusal.
   */
  follow(model: SnapshotModel): Promise<void> {
    const turn = this.#turn.then(() => this.#follow(model));
    this.#turn = turn.catch((error) =>
      this.#log.error("the ports of gateways cannot be followed", { reason: messageOf(error) }),
    );
    return this.#turn;
  }

  async #follow(model: SnapshotModel): Promise<void> {
    this.#retry?.cancel();
    if (this.#isClosed) return;
    this.#tellAbsent(model);
    const wanted = wantedPorts(
      model,
      this.#choice,
      this.#open.map(({ plan }) => plan),
    );
    await this.#shutOthers(wanted);
    const problems: GatewayProblem[] = [];
    for (const { plan, problem } of wanted) {
      const reason = problem ?? (await this.#ensure(plan));
      if (reason !== null) problems.push(this.#problem(plan, reason));
    }
    this.#problems = problems;
    this.#tell();
    if (problems.length > 0) this.#retry = this.#clock.after(RETRY_MS, () => void this.follow(model));
  }

  /** Once, until it has been there: a name may be of a Gateway that comes later, or be misspelt. */
  #tellAbsent(model: SnapshotModel): void {
    const known = chosenGateways(model, this.#choice).map(({ name }) => name);
    const absent = this.#choice.names.filter((name) => name !== "*" && !known.includes(name));
    for (const gateway of absent)
      if (!this.#absent.includes(gateway)) this.#log.warn("there is no such gateway", { gateway });
    this.#absent = absent;
  }

  /** By gateway, and only where it is another one than last time. */
  #tell(): void {
    const names = new Set([...this.#open.map(({ plan }) => plan.gateway), ...this.#problems.map((one) => one.gateway)]);
    const state = [...names].sort().map((name) => ({
      name,
      addresses: [...new Set(this.#open.filter(({ plan }) => plan.gateway === name).map(({ plan }) => plan.hostname))],
      problems: this.#problems.filter(({ gateway }) => gateway === name).map(({ gateway: _, ...problem }) => problem),
    }));
    const told = JSON.stringify(state);
    if (told !== this.#told) this.#changed(state);
    this.#told = told;
  }

  /** First what is no more: another gateway may have its place from now on. */
  async #shutOthers(wanted: readonly Wanted[]): Promise<void> {
    const isWanted = ({ plan }: Open): boolean =>
      wanted.some((want) => want.problem === null && isSamePlace(want.plan, plan));
    const gone = this.#open.filter((open) => !isWanted(open));
    if (gone.length === 0) return;
    this.#open = this.#open.filter(isWanted);
    await this.#planes.shut(gone.map(({ plan }) => plan));
    for (const { plan } of gone) this.#log.info("gateway port closed", placeOf(plan));
  }

  /** Why it cannot be bound; null when it is. */
  async #ensure(plan: GatewayPlan): Promise<string | null> {
    if (this.#open.some((open) => isSamePlace(open.plan, plan))) return null;
    try {
      const [bound] = await this.#planes.open([plan]);
      this.#open = [...this.#open, { plan, bound: bound! }];
      this.#log.info("gateway port open", placeOf(plan));
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Said once, not at every try. */
  #problem(plan: GatewayPlan, problem: string): GatewayProblem {
    const { gateway, gatewayPort: port, hostname: address } = plan;
    const isKnown = this.#problems.some(
      (one) => one.gateway === gateway && one.port === port && one.problem === problem,
    );
    if (!isKnown) this.#log.error("a gateway port is not served", { ...placeOf(plan), reason: problem });
    return { gateway, port, address, problem };
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }
}

function placeOf({ gateway, gatewayPort, hostname, port }: GatewayPlan) {
  return { gateway, listenerPort: gatewayPort, address: `${hostname}:${port}` };
}

/** The names of the gateways of a model that are chosen, in its order. */
export function chosenGateways({ resources }: SnapshotModel, { names }: GatewayChoice): readonly GatewayModel[] {
  const models = resources.flatMap((resource) => (resource.kind === "gateway" ? [resource.model] : []));
  return names.includes("*") ? models : models.filter(({ name }) => names.includes(name));
}

/** Of two gateways that want one place the one that has it keeps it, else the first gets it. */
function wantedPorts(model: SnapshotModel, choice: GatewayChoice, open: readonly GatewayPlan[]): readonly Wanted[] {
  const plans = chosenGateways(model, choice).flatMap((gateway) => plansOf(gateway, choice));
  const kept = plans.filter((plan) => open.some((one) => isSamePlace(one, plan)));
  const owners = new Map<string, string>();
  for (const plan of [...kept, ...plans]) if (!owners.has(placeText(plan))) owners.set(placeText(plan), plan.gateway);
  return plans.map((plan) => {
    if (plan.port > 65_535) return { plan, problem: `port ${plan.port} is none: the offset takes it over 65535` };
    const owner = owners.get(placeText(plan));
    return { plan, problem: owner === plan.gateway ? null : `gateway "${owner}" has ${placeText(plan)} already` };
  });
}

function placeText({ hostname, port, datagrams }: GatewayPlan): string {
  return `${hostname}:${port}${datagrams ? "/udp" : ""}`;
}

function plansOf(
  { name, addresses, ports }: GatewayModel,
  { bind, portOffset, trusted }: GatewayChoice,
): readonly GatewayPlan[] {
  const places = addresses.length === 0 ? [bind] : addresses;
  return places.flatMap((hostname) =>
    ports.map(({ port, transport: spoken }) => ({
      kind: "gateway" as const,
      name: `${name}:${port}`,
      ...(spoken === "udp" ? { datagrams: true as const } : {}),
      hostname,
      port: port + portOffset,
      transport: "gateway" as const,
      gateway: name,
      gatewayPort: port,
      trusted,
    })),
  );
}
