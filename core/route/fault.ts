import type { RequestHead } from "../http/mod.ts";
import type { FaultModel } from "./model.ts";
import type { PathScan } from "./path.ts";
import { Router } from "./router.ts";

/** A fault on purpose, made ready. Immutable. */
export class Fault {
  /** `Fault/<namespace>/<name>` */
  readonly id: string;
  /** 0: none. */
  readonly delayMs: number;
  readonly delayFraction: number;
  readonly abortFraction: number;
  /** Status of an abort; 0 where it is for gRPC calls only. */
  readonly status: number;
  /** -1: the one that the HTTP status means. */
  readonly grpcStatus: number;
  /** Null: every request. */
  readonly #router: Router<true> | null;

  /** @throws {InvalidPattern} */
  constructor({ id, matches, delay, abort }: FaultModel, scan: PathScan) {
    this.id = id;
    this.delayMs = delay?.ms ?? 0;
    this.delayFraction = delay?.fraction ?? 0;
    this.abortFraction = abort?.fraction ?? 0;
    this.status = abort?.status ?? 0;
    this.grpcStatus = abort?.grpcStatus ?? -1;
    this.#router =
      matches === undefined
        ? null
        : new Router(
            matches.map((match, ruleIndex) => ({ match, order: 0, ruleIndex, value: true as const })),
            scan,
          );
  }

  takes(head: RequestHead): boolean {
    return this.#router === null || this.#router.match(head) === true;
  }

  /** Whether an abort has an answer for the kind of request. */
  answers(isGrpc: boolean): boolean {
    return this.status !== 0 || (isGrpc && this.grpcStatus >= 0);
  }
}
