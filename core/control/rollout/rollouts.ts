import { type Clock, type Log, messageOf, type Timer } from "../../base/mod.ts";
import type { Measure, Measured } from "../../discovery/mod.ts";
import type { Document } from "../../schema/mod.ts";
import type { Records } from "../record.ts";
import { beforeOf } from "./before.ts";
import { judge, summaryOf } from "./judge.ts";
import { type Counted, Measurements, observed } from "./measurements.ts";
import { type RolloutPlan, type RolloutRecord, type RolloutState, rolloutKey, type StepRecord } from "./model.ts";
import { RolloutRefused } from "./refused.ts";
import { lastOld, percentOf, withStep } from "./step.ts";
import { foundIn, isAsBefore, type RouteDocument, rewritten, sidesOf, weightsAt, withWeights } from "./weights.ts";

export interface RolloutsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly records: Records<RolloutRecord>;
  /** What operators wrote, without the weights of rollouts. */
  readonly documents: () => readonly Document[];
  readonly isApplied: (document: Document) => boolean;
  /** Whether what runs has this cluster. */
  readonly isRunning: (cluster: string) => boolean;
  /** Applies a document in place of the one that was written. */
  readonly apply: (raw: unknown) => Promise<boolean>;
  /** Publishes what runs now; resolves when every proxy has it, or after a while. */
  readonly publish: () => Promise<void>;
  readonly measure: (wanted: Measure) => void;
}

/** How often rollouts are looked at, and proxies tell. */
const LOOK_MS = 500;
/** A step that has not enough requests after so many intervals pauses its rollout. */
const PATIENCE = 10;

/** A rollout under way, with what is known only while it is. */
interface Active {
  /** Counts when the step began; null until every proxy has its weights. */
  from: { readonly old: Counted; readonly new: Counted; readonly at: number } | null;
}

/**
 * Moves the weights of rules in steps while the new version holds against the
 * old, and back where it does not. A record is written before anybody sees its
 * weights; after a restart the step at hand begins again.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #measurements = new Measurements();
  readonly #records = new Map<string, RolloutRecord>();
  readonly #active = new Map<string, Active>();
  #timer: Timer | null = null;
  #busy = false;

  constructor(options: RolloutsOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const record of await this.#options.records.list()) this.#records.set(rolloutKey(record.plan), record);
  }

  /** Goes on with what was under way. */
  resume(): void {
    for (const [key, { state }] of this.#records) if (state === "Progressing") void this.#begin(key);
    this.#watch();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  list(): readonly RolloutRecord[] {
    return [...this.#records.values()].sort((a, b) => b.startedAt - a.startedAt);
  }

  /** The documents as they are to be compiled. */
  shape(documents: readonly Document[]): readonly Document[] {
    this.#supersede(documents);
    return withWeights(documents, this.#records.values());
  }

  /** What was promoted holds until its author has written something else: going back to what was is no news to us, but to them. */
  #supersede(documents: readonly Document[]): void {
    for (const record of this.#records.values()) {
      if (record.state !== "Promoted" || record.superseded === true) continue;
      const found = foundIn(documents, record.plan);
      if (found === null || isAsBefore(found.rule, record)) continue;
      const superseded = { ...record, superseded: true } as const;
      // At once: the documents that are compiled next must not have its weights.
      this.#records.set(rolloutKey(record.plan), superseded);
      this.#keep(superseded).catch((error) => this.#options.log.error(`Cannot keep a rollout: ${messageOf(error)}`));
    }
  }

  measured(stream: object, counts: Measured): void {
    this.#measurements.add(stream, counts);
  }

  // ---- what operators do ----

  /** @throws {RolloutRefused} */
  async start(plan: RolloutPlan, startedBy: string): Promise<RolloutRecord> {
    const key = rolloutKey(plan);
    const running = this.#records.get(key);
    if (running?.state === "Progressing" || running?.state === "Paused")
      throw new RolloutRefused(`Cannot start a rollout of ${key}: one is ${running.state}; promote or abort it first`);
    const { before, backends, to } = beforeOf(this.#options.documents(), plan);
    const [first = 100] = plan.steps;
    const record: RolloutRecord = {
      ...{ plan, before, backends, startedBy, state: "Progressing", reason: "the first step", endedAt: null },
      ...{ weights: weightsAt(before, to, first), startedAt: this.#options.clock.now(), steps: [] },
    };
    await this.#keep(record);
    this.#options.log.info("rollout started", { rollout: key, to: plan.to, steps: plan.steps.join(",") });
    await this.#begin(key);
    return this.#records.get(key)!;
  }

  /** @throws {RolloutRefused} */
  async pause(key: string): Promise<RolloutRecord> {
    const record = this.#inState(key, "pause", ["Progressing"]);
    return await this.#end(record, "Paused", "an operator paused it", "ended");
  }

  /** @throws {RolloutRefused} */
  async goOn(key: string): Promise<RolloutRecord> {
    const record = this.#inState(key, "resume", ["Paused"]);
    await this.#keep({ ...record, state: "Progressing", reason: "an operator resumed it" });
    await this.#begin(key);
    return this.#records.get(key)!;
  }

  /** @throws {RolloutRefused} */
  async promote(key: string): Promise<RolloutRecord> {
    const record = this.#inState(key, "promote", ["Progressing", "Paused"]);
    const changed = this.#changeOf(record);
    if (changed !== null) throw new RolloutRefused(`Cannot promote the rollout of ${key}: ${changed}; abort it`);
    return await this.#promote(record, "an operator promoted it", "ended");
  }

  /** @throws {RolloutRefused} */
  async abort(key: string): Promise<RolloutRecord> {
    const record = this.#inState(key, "abort", ["Progressing", "Paused"]);
    return await this.#end(record, "Aborted", "an operator aborted it", "ended");
  }

  #inState(key: string, verb: string, states: readonly RolloutState[]): RolloutRecord {
    const record = this.#records.get(key);
    if (record === undefined) throw new RolloutRefused(`Cannot ${verb}: there is no rollout of ${key}`);
    if (states.includes(record.state)) return record;
    throw new RolloutRefused(`Cannot ${verb} the rollout of ${key}: it is ${record.state}`);
  }

  // ---- steps ----

  /** Puts the weights at hand in force; the step begins when every proxy has them. */
  async #begin(key: string): Promise<void> {
    const active: Active = { from: null };
    this.#active.set(key, active);
    this.#watch();
    await this.#options.publish();
    const known = this.#records.get(key);
    if (this.#active.get(key) !== active || known?.state !== "Progressing") return;
    const percent = percentOf(known);
    // A step that a restart has cut off begins again.
    const record = withStep(known, { verdict: "ended", endedAt: this.#options.clock.now() });
    const sides = this.#sidesNow(record);
    if (sides === null) return;
    const now = this.#options.clock.now();
    active.from = { ...sides, at: now };
    const step: StepRecord = {
      ...{ percent, startedAt: now, endedAt: null, old: null, new: null, verdict: "running" },
      reason: "it has just begun",
    };
    await this.#keep({ ...record, reason: `${percent} % to ${record.plan.to}`, steps: [...record.steps, step] });
  }

  #sidesNow({ plan }: RolloutRecord): { readonly old: Counted; readonly new: Counted } | null {
    const found = this.#found(plan);
    if (found === null) return null;
    const sides = sidesOf(found.document, found.rule, plan.to);
    return { old: this.#measurements.of(sides.old), new: this.#measurements.of(sides.new) };
  }

  #found(plan: RolloutPlan) {
    return foundIn(this.#options.documents(), plan);
  }

  /** Asks for the counts of all that is under way, and looks at it now and then. */
  #watch(): void {
    const progressing = this.list().filter(({ state }) => state === "Progressing");
    const clusters = progressing.flatMap(({ plan }) => {
      const found = this.#found(plan);
      return found === null ? [] : Object.values(sidesOf(found.document, found.rule, plan.to)).flat();
    });
    const wanted = [...new Set(clusters)].sort();
    this.#measurements.want(wanted);
    this.#options.measure({ clusters: wanted, everyMs: LOOK_MS });
    if (progressing.length === 0) this.close();
    else this.#timer ??= this.#options.clock.every(LOOK_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (const [key, active] of [...this.#active]) await this.#lookAt(key, active);
    } catch (error) {
      this.#options.log.error(`Cannot go on with a rollout: ${messageOf(error)}`);
    } finally {
      this.#busy = false;
    }
  }

  async #lookAt(key: string, active: Active): Promise<void> {
    const record = this.#records.get(key);
    if (record?.state !== "Progressing") {
      this.#active.delete(key);
      return;
    }
    const changed = this.#changeOf(record);
    if (changed !== null) await this.#end(record, "Aborted", changed, "ended");
    else if (active.from !== null) await this.#judge(record, active.from);
  }

  /** What the author has changed under way, for people; null where the rule is what it was. */
  #changeOf(record: RolloutRecord): string | null {
    const found = this.#found(record.plan);
    if (found === null) return "the route or its rule is gone";
    if (!isAsBefore(found.rule, record)) return "the backends of the rule were changed";
    // Its requests are answered with errors that no cluster counts.
    const { new: own } = sidesOf(found.document, found.rule, record.plan.to);
    return own.every(this.#options.isRunning) ? null : `there is nothing behind the backend ${record.plan.to}`;
  }

  async #judge(record: RolloutRecord, from: NonNullable<Active["from"]>): Promise<void> {
    const { plan } = record;
    const now = this.#sidesNow(record)!;
    const seen = observed(from.new, now.new);
    const own = observed(from.old, now.old);
    // The last step leaves the old nothing: it is what it was before.
    const old = own.requests >= plan.minRequests ? own : (lastOld(record) ?? own);
    const waitedMs = this.#options.clock.now() - from.at;
    const { verdict, reason } = judge(plan, old, seen, waitedMs >= plan.intervalMs);
    const judged = withStep(record, { old: own, new: seen, reason });
    if (verdict === "failed") await this.#end(judged, "Aborted", reason, "failed");
    else if (verdict === "held") await this.#next(judged, reason);
    else if (waitedMs >= plan.intervalMs * PATIENCE) await this.#end(judged, "Paused", reason, "ended");
    else this.#records.set(rolloutKey(plan), judged);
  }

  async #next(record: RolloutRecord, reason: string): Promise<void> {
    const { plan, before } = record;
    const percent = plan.steps.find((step) => step > percentOf(record));
    if (percent === undefined) {
      await this.#promote(record, reason, "held");
      return;
    }
    const key = rolloutKey(plan);
    const closed = withStep(record, { verdict: "held", endedAt: this.#options.clock.now() });
    const { to } = beforeOf(this.#options.documents(), plan);
    await this.#keep({ ...closed, weights: weightsAt(before, to, percent), reason: `on to ${percent} %` });
    this.#options.log.info("rollout step held", { rollout: key, reason, next: percent });
    await this.#begin(key);
  }

  async #promote(record: RolloutRecord, reason: string, verdict: StepRecord["verdict"]): Promise<RolloutRecord> {
    const { plan, before } = record;
    const { to } = beforeOf(this.#options.documents(), plan);
    const promoted = { ...record, weights: weightsAt(before, to, 100) };
    const found = this.#found(plan)!;
    const ended = await this.#end(promoted, "Promoted", `${reason}${await this.#write(found, promoted)}`, verdict);
    return ended;
  }

  /** Applied documents get the weights themselves; those of a directory are their author's to change. */
  async #write(
    { document, index }: { readonly document: RouteDocument; readonly index: number },
    { weights }: RolloutRecord,
  ): Promise<string> {
    if (!this.#options.isApplied(document)) {
      const { line } = document.locate(["spec", "rules", index, "backendRefs"]);
      return `; write the weights ${weights.join(", ")} at ${document.file}:${line} to make them last`;
    }
    const taken = await this.#options.apply(rewritten(document, index, weights));
    return taken ? "" : "; the document could not be changed, the weights run all the same";
  }

  async #end(
    record: RolloutRecord,
    state: RolloutState,
    reason: string,
    verdict: StepRecord["verdict"],
  ): Promise<RolloutRecord> {
    const now = this.#options.clock.now();
    const last = record.steps.at(-1);
    const words = last?.old && last.new ? summaryOf(last.old, last.new) : reason;
    const closed = withStep(record, { verdict, endedAt: now, reason: verdict === "failed" ? reason : words });
    const key = rolloutKey(record.plan);
    const ended = { ...closed, state, reason, endedAt: state === "Paused" ? null : now };
    this.#active.delete(key);
    await this.#keep(ended);
    this.#options.log[state === "Aborted" ? "warn" : "info"]("rollout", { rollout: key, state, reason });
    this.#watch();
    await this.#options.publish();
    return ended;
  }

  async #keep(record: RolloutRecord): Promise<void> {
    const key = rolloutKey(record.plan);
    await this.#options.records.put(encodeURIComponent(key), record);
    this.#records.set(key, record);
  }
}
