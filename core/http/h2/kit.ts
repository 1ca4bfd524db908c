import type { Deadlines } from "../../base/mod.ts";
import { Trailers } from "../body.ts";
import { RequestHead } from "../head.ts";
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from "../parse.ts";
import type { Http2ClientStream } from "./client-stream.ts";
import type { Abuse } from "./guard.ts";
import { HeadSink } from "./head-sink.ts";
import { DecoderScratch } from "./hpack-decoder.ts";
import { EncoderScratch } from "./hpack-encoder.ts";
import { Chunks } from "./outbox.ts";
import type { Http2ServerStream } from "./server-stream.ts";
import { Spares } from "./spares.ts";
import { Ticks } from "./ticks.ts";

/** What all HTTP/2 connections of a worker share: room to work in, one at a time, and the ends of rounds. */
export class Http2Kit {
  readonly deadlines: Deadlines;
  readonly headLimits: HeadLimits;
  readonly ticks: Ticks;
  readonly chunks = new Chunks();
  readonly serverStreams = new Spares<Http2ServerStream>();
  readonly clientStreams = new Spares<Http2ClientStream>();
  readonly decoding = new DecoderScratch();
  readonly encoding = new EncoderScratch();
  /** For the head of a request that nobody takes. */
  readonly discarded = new RequestHead();
  /** What ended the body that is read just now: copied by whoever needs it longer. */
  readonly trailers = new Trailers();
  readonly sink: HeadSink;
  /** A peer did what only an attack does; its connection ends. */
  readonly abused: (abuse: Abuse) => void;

  constructor(options: {
    readonly deadlines: Deadlines;
    readonly headLimits?: HeadLimits;
    /** Calls once, when all events at hand are done. */
    readonly schedule: (run: () => void) => void;
    readonly abused?: (abuse: Abuse) => void;
  }) {
    this.deadlines = options.deadlines;
    this.headLimits = options.headLimits ?? DEFAULT_HEAD_LIMITS;
    this.ticks = new Ticks(options.schedule, () => this.#settle());
    this.sink = new HeadSink(this.discarded, this.headLimits);
    this.abused = options.abused ?? (() => {});
  }

  #settle(): void {
    this.serverStreams.settle();
    this.clientStreams.settle();
  }
}
