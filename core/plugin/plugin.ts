import type { RequestHead } from "../http/mod.ts";
import type { HeaderChanges } from "./header-change.ts";
import type { PluginModel } from "./model.ts";
import type { FaultReason, Verdict } from "./verdict.ts";

/** What a policy learns about a request beside its head. */
export interface RequestFacts {
  /** SPIFFE ID of the peer; null where it proved none. */
  readonly peer: string | null;
  /** IP address of the peer. */
  readonly address: string;
  /** `<namespace>/<name>` of the service that is called; "" where none is known. */
  readonly service: string;
  /** Id of the rule that matched; "" where no rule applies. */
  readonly route: string;
  /** What policies before this one have changed: this one sees it as received. Null for nothing. */
  readonly changes: HeaderChanges | null;
}

/** One generation of a loaded plugin in this worker. Works for as long as somebody holds it. */
export interface Plugin {
  readonly model: PluginModel;
  /** Asks the plugin. Synchronous, never throws: what goes wrong is a verdict of kind `Fault`. */
  onRequest(head: RequestHead, facts: RequestFacts): Verdict;
}

/** Counts what a plugin does; called once per call of the plugin, so it must be cheap. */
export interface PluginObserver {
  /** A call ended, well or not: what fuel it used, and how long it took. */
  called(fuel: number, ms: number): void;
  /** The plugin answered instead of the upstream. */
  responded(status: number): void;
  faulted(reason: FaultReason): void;
}
