import { Outcome, outcomeOf } from "../cluster/mod.ts";
import type { ServerStream } from "../http/mod.ts";
import type { ConnectionFacts } from "../listener/mod.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import type { Mesh } from "./mesh.ts";
import { isBodyLost, isIdempotent, type RetryCause } from "./retry.ts";

/** A failure that waits for the attempts beside it. */
export interface Awaited {
  readonly cause: RetryCause;
  readonly sent: boolean;
  readonly failure: Error;
}

/** When another attempt is made beside the one that is slow; infinite for never. */
export function hedgeDeadline(exchange: MeshExchange): number {
  const { entry, stage, bodySent } = exchange;
  const hedges = exchange.beside?.hedges ?? 0;
  const hedge = entry === null ? null : entry.rule.hedge;
  if (hedge === null || !bodySent || hedges >= hedge.attempts || exchange.isCopy) return Number.POSITIVE_INFINITY;
  if (stage !== Stage.Connecting && stage !== Stage.Forwarding) return Number.POSITIVE_INFINITY;
  return exchange.attemptAt + hedge.afterMs * (hedges + 1);
}

/** What attempts beside a first one are made and ended with. */
export interface HedgeFlow {
  /** An exchange for a copy of a request, whose answers go to `stream`. */
  copyFor(exchange: MeshExchange, stream: ServerStream): MeshExchange;
  serveCopy(copy: MeshExchange): void;
  ended(copy: MeshExchange): void;
  /** An attempt beside it is its own now, and has answered. */
  won(exchange: MeshExchange): void;
  retryOr(exchange: MeshExchange, cause: RetryCause, sent: boolean, failure: Error): void;
  dropAttempt(exchange: MeshExchange, outcome: Outcome): void;
  finish(exchange: MeshExchange, outcome: Outcome): number;
}

/** More than any rule allows. */
const NO_MORE = 0x3fff_ffff;

/**
 * Attempts beside one that is slow. Each is a copy of the exchange with an
 * upstream of its own; the first answer makes its upstream that of the
 * exchange, which goes on as if it had never had another.
 */
export class Hedges {
  readonly #flow: HedgeFlow;
  readonly #mesh: Mesh;

  constructor(flow: HedgeFlow, mesh: Mesh) {
    this.#flow = flow;
    this.#mesh = mesh;
  }

  /** Begins one, within the budget of retries. */
  begin(exchange: MeshExchange): void {
    const { deadlines, metrics } = this.#mesh;
    const { name, state } = exchange.cluster!;
    const may = mayHedge(exchange) && state.budget.withdraw(deadlines.recent);
    const company = exchange.company();
    company.hedges = may ? company.hedges + 1 : NO_MORE;
    metrics.hedges.with(name, may ? "made" : "refused").add();
    if (!may) return;
    const stream = new HedgeStream(exchange.downstream!.connection, () => this.#lost(copy));
    const copy = this.#flow.copyFor(exchange, stream);
    copy.company().racesFor = exchange;
    copy.attempts = exchange.attempts++;
    copy.previous = exchange.endpoint;
    copy.replay = exchange.replay;
    copy.requestBytes = exchange.requestBytes;
    company.race.push(copy);
    this.#flow.serveCopy(copy);
  }

  /** Lets a failure of the exchange's own attempt wait for those beside it; false where there are none. */
  await(exchange: MeshExchange, awaited: Awaited): boolean {
    const { beside } = exchange;
    if (beside === null || beside.race.length === 0) return false;
    beside.awaited = awaited;
    exchange.stage = Stage.Pausing;
    exchange.resumeAt = Number.POSITIVE_INFINITY;
    return true;
  }

  /** It has come to nothing: where it was the last, the failure that waited for it counts. */
  #lost(copy: MeshExchange): void {
    const exchange = copy.beside!.racesFor!;
    const company = exchange.beside!;
    const { awaited, race } = company;
    race.splice(race.indexOf(copy), 1);
    this.#flow.ended(copy);
    if (awaited === null || race.length > 0) return;
    company.awaited = null;
    this.#flow.retryOr(exchange, awaited.cause, awaited.sent, awaited.failure);
  }

  /** The first answer wins, unless it only says that the endpoint cannot; nobody is blamed for being slower. */
  answered(copy: MeshExchange): void {
    const exchange = copy.beside!.racesFor!;
    const outcome = outcomeOf(copy.response.status);
    if (exchange.beside!.awaited !== null || outcome !== Outcome.GatewayError) {
      this.#win(exchange, copy);
      return;
    }
    copy.upstream!.abort();
    this.#flow.finish(copy, outcome);
    this.#lost(copy);
  }

  #win(exchange: MeshExchange, copy: MeshExchange): void {
    this.#mesh.metrics.hedges.with(exchange.cluster!.name, "won").add();
    this.#flow.dropAttempt(exchange, Outcome.Cancelled);
    exchange.response.copyFrom(copy.response);
    copy.upstream!.handTo(exchange);
    exchange.endpoint = copy.endpoint;
    exchange.attemptAt = copy.attemptAt;
    exchange.attemptOpen = copy.attemptOpen;
    exchange.beside!.awaited = null;
    exchange.stage = Stage.Forwarding;
    copy.attemptOpen = false;
    this.end(exchange);
    this.#flow.won(exchange);
  }

  /** Whatever still runs beside it is wanted no more. */
  end(exchange: MeshExchange): void {
    for (const copy of exchange.beside!.race.splice(0)) this.#flow.ended(copy);
  }
}

/** Only what may be repeated, and whole, may be asked of two at once; where it had to wait, nothing would be won. */
function mayHedge(exchange: MeshExchange): boolean {
  if (!exchange.cluster!.state.turns.isFree) return false;
  return isIdempotent(exchange) && !isBodyLost(exchange) && !exchange.request.upgrade && !exchange.held;
}

/** The downstream of an attempt beside the first: it is told only that the attempt has come to nothing. */
class HedgeStream implements ServerStream {
  readonly connection: ConnectionFacts;
  readonly requestComplete = true;
  readonly responseStarted = false;
  readonly blocked = false;
  readonly bytesSent = 0;
  readonly #lost: () => void;

  constructor(connection: ConnectionFacts, lost: () => void) {
    this.connection = connection;
    this.#lost = lost;
  }

  answer(): void {
    this.#lost();
  }
  abort(): void {
    this.#lost();
  }
  respond(): void {}
  data(): void {}
  finish(): void {}
  readBody(): void {}
  pauseBody(): void {}
  inform(): void {}
  tunnel(): void {}
}
