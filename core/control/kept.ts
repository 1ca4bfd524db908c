import type { Clock, Log } from "../base/mod.ts";
import type { Cidr } from "../config/mod.ts";
import type { Applied } from "./applied.ts";
import { GatewayBook, type GatewayBookRecord } from "./gateway-book.ts";
import { type GatewayPermitRecord, GatewayPermits } from "./gateway-permit.ts";
import { type GenerationRecord, Generations } from "./generation.ts";
import type { Storage } from "./record.ts";
import { StatusKeeper, type StatusRecord } from "./status-keeper.ts";

/** What is remembered of documents and their Gateways beside what they say. */
export interface Kept {
  readonly statuses: StatusKeeper;
  readonly generations: Generations;
  readonly book: GatewayBook;
  readonly gatewayPermits: GatewayPermits;
}

export interface KeptOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  readonly applied: Applied;
  readonly gatewayAddresses: Cidr | null;
}

/** Loads what the control plane before has left. */
export async function loadKept({ storage, clock, log, applied, gatewayAddresses }: KeptOptions): Promise<Kept> {
  const now = () => clock.now();
  const statuses = new StatusKeeper({ records: storage.records<StatusRecord>("status"), now, log });
  const book = new GatewayBook(storage.records<GatewayBookRecord>("gateways"), gatewayAddresses);
  const generations = new Generations({
    ...{ records: storage.records<GenerationRecord>("generations"), now },
    hasAge: ({ file }) => applied.isApplied(file),
  });
  await Promise.all([statuses.load(), book.load(), generations.load()]);
  const gatewayPermits = new GatewayPermits(storage.records<GatewayPermitRecord>("gateway-permits"));
  return { statuses, generations, book, gatewayPermits };
}
