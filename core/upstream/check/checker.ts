import { Deadline, type Deadlines } from "../../base/mod.ts";
import { type Cluster, type Endpoint, type HealthCheckModel, markDown, markUp } from "../../cluster/mod.ts";
import { PROBE_HANDLER, Probe, type ProbeSettings } from "./probe.ts";
import { type ProbeRequest, requestOf } from "./request.ts";

/** What checks tell the log and the metrics. */
export interface CheckEvents {
  checked(endpoint: Endpoint, isFine: boolean): void;
  /** Checks in a row have failed: it takes no more traffic. */
  down(endpoint: Endpoint, problem: string): void;
  up(endpoint: Endpoint): void;
}

export interface CheckerSettings extends ProbeSettings {
  readonly random: () => number;
  readonly events: CheckEvents;
}

/** Asks endpoints whether they live, where the policies of their clusters say so: one checker a worker. */
export class HealthChecker {
  readonly #settings: CheckerSettings;
  readonly #checks = new Map<Endpoint, Check>();

  constructor(settings: CheckerSettings) {
    this.#settings = { ...settings, client: { ...settings.client, handler: PROBE_HANDLER } };
  }

  /** Checks the endpoints of these clusters, and no others. */
  review(clusters: Iterable<Cluster>): void {
    const wanted = new Map<Endpoint, HealthCheckModel>();
    for (const { targets } of clusters)
      for (const endpoint of targets) if (endpoint.healthCheck !== null) wanted.set(endpoint, endpoint.healthCheck);
    for (const [endpoint, check] of this.#checks) {
      // A membership that changes often must not begin the checks anew each time.
      if (Bun.deepEquals(wanted.get(endpoint), check.model)) continue;
      check.close();
      this.#checks.delete(endpoint);
    }
    for (const [endpoint, model] of wanted)
      if (!this.#checks.has(endpoint)) this.#checks.set(endpoint, new Check(endpoint, model, this.#settings));
  }

  close(): void {
    this.review([]);
  }
}

/** The checks of one endpoint: one at a time, the next an interval behind the last. */
class Check extends Deadline {
  readonly model: HealthCheckModel;
  readonly #endpoint: Endpoint;
  readonly #request: ProbeRequest;
  readonly #settings: CheckerSettings;
  /** Results in a row that differ from what the endpoint counts as. */
  #against = 0;
  #probe: Probe | null = null;
  #isAsking = false;

  constructor(endpoint: Endpoint, model: HealthCheckModel, settings: CheckerSettings) {
    super();
    this.#endpoint = endpoint;
    this.model = model;
    this.#settings = settings;
    this.#request = requestOf(model, endpoint.authority);
    // Not all at once, wherever many begin together.
    this.#deadlines.set(this, model.intervalMs * settings.random());
  }

  get #deadlines(): Deadlines {
    return this.#settings.deadlines;
  }

  close(): void {
    this.#deadlines.clear(this);
    this.#probe?.abort();
  }

  override expire(): void {
    if (this.#isAsking) {
      this.#probe!.abort();
      this.#judge(`no answer within ${this.model.timeoutMs} ms`);
    } else this.#ask();
    this.#settings.client.stage.flush();
  }

  #ask(): void {
    // What was left of the answer before is waited for no longer.
    this.#probe?.abort();
    this.#isAsking = true;
    this.#deadlines.set(this, this.model.timeoutMs);
    this.#probe = new Probe(this.#endpoint, this.model, this.#request, this.#settings, (problem) =>
      this.#judge(problem),
    );
  }

  #judge(problem: string | null): void {
    const { events, random } = this.#settings;
    this.#isAsking = false;
    this.#deadlines.set(this, this.model.intervalMs * (0.9 + 0.2 * random()));
    events.checked(this.#endpoint, problem === null);
    const isUp = this.#endpoint.downUntil === 0;
    if (isUp === (problem === null)) {
      this.#against = 0;
      return;
    }
    this.#against++;
    if (problem === null) this.#raise();
    else this.#lower(problem);
  }

  #raise(): void {
    if (this.#against < this.model.healthyAfter) return;
    this.#against = 0;
    markUp(this.#endpoint, this.#deadlines.now);
    this.#settings.events.up(this.#endpoint);
  }

  #lower(problem: string): void {
    if (this.#against < this.model.unhealthyAfter) return;
    this.#against = 0;
    markDown(this.#endpoint, problem);
    this.#settings.events.down(this.#endpoint, problem);
  }
}
