import { MeshError } from "../base/mod.ts";
import type { Resource, ResourceKey } from "../snapshot/mod.ts";
import { Conversation, type ConversationOptions } from "./conversation.ts";
import { sha256Hex } from "./disk.ts";
import { BadFrame } from "./framing.ts";
import { readJson } from "./link.ts";
import {
  CHUNK_HEAD_BYTES,
  Frame,
  type GatewayReport,
  type GatewaysMessage,
  MAX_BLOB_BYTES,
  MAX_UPDATE_BYTES,
  type Measure,
  type Measured,
  type Register,
  type RenewMessage,
  type Subscribe,
  type SvidMessage,
  type Update,
  type Withdrawn,
  type WorkloadClaim,
} from "./protocol.ts";

/** Bytes came whole and are not what their name says. */
export class BadBlob extends MeshError {
  override readonly name = "BadBlob";
  readonly code = "MESH_BAD_BLOB";
  readonly source = "mesh";
}

/** A change as a whole: its parts put together. */
export interface Change {
  readonly id: number;
  readonly revision: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly ResourceKey[];
  readonly hosts: Readonly<Record<string, string | null>>;
}

export interface StreamReader {
  /** The control plane sends the next one only after `ack` or `nack`. */
  change(change: Change): void;
  /** Others are to be counted from now on. */
  measure(wanted: Measure): void;
  /** Once, whatever ended the stream. */
  closed(reason: Error): void;
}

/** The stream from the proxy's end: subscribed, watched, one change at a time. */
export class ControlStream {
  readonly #conversation: Conversation;
  #renewals = 0;

  private constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** @throws {ControlUnreachable | PeerFailure | LinkLost | NoAnswer} */
  static async open(
    options: Omit<ConversationOptions, "limit" | "unasked" | "closed">,
    subscribe: Subscribe,
    reader: StreamReader,
  ): Promise<ControlStream> {
    const gather = new Gather(reader);
    const conversation = await Conversation.open({
      ...options,
      limit: MAX_UPDATE_BYTES,
      unasked: (type, payload) => {
        if (type === Frame.Update) gather.part(readJson<Update>(payload));
        else if (type === Frame.Measure) reader.measure(measureOf(readJson<Measure>(payload)));
      },
      closed: (reason) => reader.closed(reason),
    });
    conversation.send(Frame.Subscribe, subscribe);
    return new ControlStream(conversation);
  }

  ack(id: number): void {
    this.#conversation.send(Frame.Ack, { id });
  }

  nack(id: number, reasons: readonly string[]): void {
    this.#conversation.send(Frame.Nack, { id, reasons });
  }

  want(hosts: readonly string[]): void {
    this.#conversation.send(Frame.Want, { hosts });
  }

  drop(hosts: readonly string[]): void {
    this.#conversation.send(Frame.Drop, { hosts });
  }

  measured(counts: Measured): void {
    this.#conversation.send(Frame.Measured, counts);
  }

  gateways(gateways: readonly GatewayReport[]): void {
    this.#conversation.send(Frame.Gateways, { gateways } satisfies GatewaysMessage);
  }

  register(workload: WorkloadClaim): void {
    this.#conversation.send(Frame.Register, { workload } satisfies Register);
  }

  async renew(csr: string): Promise<SvidMessage> {
    const message: RenewMessage = { id: ++this.#renewals, csr };
    return readJson<SvidMessage>(await this.#conversation.ask(Frame.Renew, message, Frame.Svid));
  }

  /** Takes this workload's endpoint out; returns those who may still use it. */
  async withdraw(deadlineMs: number, answerMs: number): Promise<readonly string[]> {
    const answer = await this.#conversation.ask(Frame.Withdraw, { deadlineMs }, Frame.Withdrawn, deadlineMs + answerMs);
    return readJson<Withdrawn>(answer).laggards;
  }

  /**
   * Bytes of a plugin, piece by piece, so that pings and updates pass between.
   *
   * @throws {BadBlob} when the bytes have another SHA-256, or there are too many.
   */
  async fetch(sha256: string): Promise<Uint8Array> {
    let bytes: Uint8Array | null = null;
    for (let offset = 0; bytes === null || offset < bytes.length; ) {
      const chunk = await this.#conversation.ask(Frame.Fetch, { sha256, offset }, Frame.Chunk);
      const total = totalOf(chunk, offset, sha256);
      bytes ??= new Uint8Array(total);
      if (total !== bytes.length) throw new BadBlob(`Cannot fetch ${sha256.slice(0, 12)}: its length changed`);
      const piece = chunk.subarray(CHUNK_HEAD_BYTES);
      if (piece.length > total - offset || (piece.length === 0 && offset < total))
        throw new BadBlob(`Cannot fetch ${sha256.slice(0, 12)}: a piece does not fit`);
      bytes.set(piece, offset);
      offset += piece.length;
    }
    if (sha256Hex(bytes) === sha256) return bytes;
    throw new BadBlob(`Cannot use ${sha256.slice(0, 12)}: its bytes have another SHA-256`);
  }

  close(): void {
    this.#conversation.close();
  }
}

/** What is to be counted; nobody is asked more often than this. */
function measureOf({ clusters, everyMs }: Partial<Measure>): Measure {
  const names = Array.isArray(clusters) ? clusters.filter((name) => typeof name === "string") : [];
  return { clusters: names, everyMs: Math.max(typeof everyMs === "number" ? everyMs : 0, MIN_MEASURE_MS) };
}

const MIN_MEASURE_MS = 100;

/** Length of the whole, from the head of a chunk; 0 says that the control plane does not have it. */
function totalOf(chunk: Buffer, offset: number, sha256: string): number {
  if (chunk.length < CHUNK_HEAD_BYTES || chunk.readUInt32BE(4) !== offset)
    throw new BadBlob(`Cannot fetch ${sha256.slice(0, 12)}: a piece came out of order`);
  const total = chunk.readUInt32BE(0);
  if (total === 0) throw new BadBlob(`Cannot fetch ${sha256.slice(0, 12)}: the control plane does not have it`);
  if (total > MAX_BLOB_BYTES) throw new BadBlob(`Cannot fetch ${sha256.slice(0, 12)}: ${total} bytes are too many`);
  return total;
}

/** Most resources one change may bring; far beyond what a proxy can want. */
const MAX_CHANGE_RESOURCES = 100_000;

/** Puts the parts of an update together. */
class Gather {
  readonly #reader: StreamReader;
  #parts: Update[] = [];
  #resources = 0;

  constructor(reader: StreamReader) {
    this.#reader = reader;
  }

  part(update: Update): void {
    if (!Array.isArray(update.resources) || !Array.isArray(update.removed) || typeof update.hosts !== "object")
      throw new BadFrame("Cannot read an update: it is not whole");
    if (this.#parts.length > 0 && this.#parts[0]!.id !== update.id)
      throw new BadFrame(`Cannot read update ${update.id}: update ${this.#parts[0]!.id} is not complete`);
    this.#resources += update.resources.length;
    if (this.#resources > MAX_CHANGE_RESOURCES)
      throw new BadFrame(`Cannot read update ${update.id}: it brings ${this.#resources} resources`);
    this.#parts.push(update);
    if (update.last) this.#deliver(update);
  }

  #deliver(last: Update): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#resources = 0;
    this.#reader.change({
      id: last.id,
      revision: last.revision,
      resources: parts.flatMap((part) => part.resources),
      removed: parts.flatMap((part) => part.removed),
      hosts: Object.assign(Object.create(null), ...parts.map((part) => part.hosts)) as Record<string, string | null>,
    });
  }
}
