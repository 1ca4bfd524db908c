import type { Svid } from "../identity/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import type { Measured } from "./protocol.ts";

/** What discovery drives: the data plane, in this thread or in others. */
export interface DataPlane {
  /**
   * Makes a snapshot the one that requests read. Resolves when every worker runs it.
   * Rejects with the reasons when it cannot be run; the one before keeps serving (a NACK).
   */
  apply(model: SnapshotModel): Promise<void>;
  /** New connections prove this identity from now on; live ones are left alone. */
  identify(svid: Svid): void;
  /**
   * Names (`<namespace>/<name>`) of the services that requests were routed to since the
   * last call. Without it no service is ever dropped for being idle.
   */
  used?(): Iterable<string>;
  /** Counts the requests to these clusters from now on, and no others. */
  measure?(clusters: readonly string[]): void;
  /** What was counted of them. */
  measured?(): Measured;
}

/** Where a data plane gets what its snapshot does not hold. */
export interface Source {
  /**
   * Asks for a service by the host a request named. Resolves when a snapshot that
   * answers has been applied: with the service, or knowing that there is none.
   * Rejects when no answer can be had now.
   */
  want(host: string): Promise<void>;
  /** Bytes of a plugin by the SHA-256 of its model, verified. */
  blob(sha256: string): Promise<Uint8Array>;
}
