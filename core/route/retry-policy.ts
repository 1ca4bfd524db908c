import type { RetryCondition, RetryModel } from "./model.ts";

const DEFAULT_BACKOFF = { baseMs: 25, maxMs: 250 };
/** Codes of gRPC and of servers with more of their own, as telemetry counts them. */
const GRPC_STATUSES = 100;
/** Doubling further would overflow before it meets any maximum. */
const MOST_DOUBLINGS = 30;

/** When another attempt is made, and how long before. Immutable. */
export class RetryPolicy {
  /** The first included. */
  readonly maxAttempts: number;
  /** One attempt, where the rule says nothing. 0: only the request timeout holds. */
  readonly perTryTimeoutMs: number;
  /** The author vouches that any request may be made twice. */
  readonly anyMethod: boolean;
  /** Some status of gRPC is a reason: the end of a call must be seen before its beginning goes on. */
  readonly readsCalls: boolean;
  readonly #statuses = new Uint8Array(1000);
  readonly #grpcStatuses = new Uint8Array(GRPC_STATUSES);
  readonly #on: ReadonlySet<RetryCondition> | null;
  readonly #baseMs: number;
  readonly #maxMs: number;

  constructor(model: RetryModel) {
    const { baseMs, maxMs } = model.backoff ?? DEFAULT_BACKOFF;
    this.maxAttempts = model.attempts + 1;
    this.perTryTimeoutMs = model.perTryTimeoutMs ?? 0;
    this.anyMethod = model.anyMethod === true;
    this.readsCalls = (model.grpcStatuses ?? []).length > 0;
    for (const status of model.statuses ?? []) this.#statuses[status] = 1;
    for (const status of model.grpcStatuses ?? []) this.#grpcStatuses[status] = 1;
    this.#on = model.on === undefined ? null : new Set(model.on);
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
  }

  takes(condition: RetryCondition): boolean {
    return this.#on === null || this.#on.has(condition);
  }

  takesStatus(status: number): boolean {
    return this.#statuses[status] === 1;
  }

  takesGrpcStatus(status: number): boolean {
    return status >= 0 && this.#grpcStatuses[status] === 1;
  }

  /** Before the n-th retry: any part of what doubles from one to the next, so that callers do not come back in step. */
  pauseMs(retry: number, random: () => number): number {
    return random() * Math.min(this.#baseMs * 2 ** Math.min(retry - 1, MOST_DOUBLINGS), this.#maxMs);
  }
}
