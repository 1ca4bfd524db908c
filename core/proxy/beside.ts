import type { AnswerDigest } from "./answer-digest.ts";
import type { MeshExchange } from "./exchange.ts";
import type { Awaited } from "./hedge.ts";
import type { MirroredBody } from "./mirror.ts";

/** What goes on beside an exchange, or makes it go on beside another; few have any of it. */
export class Beside {
  /** The exchange that a copy makes an attempt for; null for one of its own. */
  racesFor: MeshExchange | null = null;
  /** Attempts beside the one of its own that are under way. */
  readonly race: MeshExchange[] = [];
  /** How many were begun. */
  hedges = 0;
  /** Its own attempt has failed, and what runs beside it decides. */
  awaited: Awaited | null = null;
  /** Its mirrors know of it. */
  isMirrored = false;
  /** The body that mirrors wait for; null where none do. */
  mirrored: MirroredBody | null = null;
  /** Of the response, where a mirror's is compared with it. */
  digest: AnswerDigest | null = null;
}
