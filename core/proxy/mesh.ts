import type { Clock, Deadlines, Log } from "../base/mod.ts";
import type { Cluster } from "../cluster/mod.ts";
import type { Stage } from "../http/mod.ts";
import type { Snapshot } from "../snapshot/mod.ts";
import type { MeshMetrics } from "../telemetry/mod.ts";
import type { Upstream } from "../upstream/mod.ts";
import type { AddedLines } from "./added.ts";
import type { Self } from "./edges.ts";
import type { MeshExchange } from "./exchange.ts";
import type { Recorder } from "./record.ts";
import type { Waits } from "./timing.ts";
import type { Way } from "./way.ts";

/** What one worker serves with. The snapshot is replaced as a whole; an exchange keeps the one it began with. */
export interface Mesh {
  readonly snapshot: Snapshot;
  readonly upstream: Upstream;
  readonly recorder: Recorder;
  /** Names of services that requests were routed to; whoever reads it empties it. */
  readonly used: Set<string>;
  readonly deadlines: Deadlines;
  /** What the event at hand writes; flushed at the end of each. */
  readonly stage: Stage;
  readonly clock: Clock;
  readonly log: Log;
  readonly waits: Waits;
  readonly random: () => number;
  /** An id under which a bug is logged. */
  readonly bugId: () => string;
  readonly added: AddedLines;
  readonly self: Self;
  readonly metrics: MeshMetrics;
  /** Discovery has answered that no service has this host. */
  isKnownAbsent(host: string): boolean;
  /** Asks discovery for a host; resolves when it has answered. */
  ask(host: string): Promise<void>;
  /**
   * Ends a CONNECT by giving its connection to what the way leads to: what the
   * client says from here on is served as if it had come by a listener of that
   * way. False, for a way to return.
   *
   * @throws {MethodRefused} where the request did not come on a connection of its own.
   */
  tunnel(exchange: MeshExchange, inside: Way): boolean;
  /** Parks the exchange until discovery has answered for a host; it comes back by `serve`. False, for a way to return. */
  want(exchange: MeshExchange, host: string): boolean;
  /** Chooses a destination outside the mesh; false where the exchange is parked for the addresses of a name. */
  leave(exchange: MeshExchange, host: string, port: number, like?: Cluster | null): boolean;
}
