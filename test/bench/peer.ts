import type { Folder, IdentityFiles } from "../harness/mod.ts";
import type { Version } from "./case.ts";

/** Where one proxy stands. */
export interface Hop {
  /** Where its config files may go. */
  readonly folder: Folder;
  /** It listens here… */
  readonly port: number;
  /** …and on this port for HTTP/1.1 without TLS, whatever it takes there… */
  readonly plainPort: number;
  /** …asks for a client's certificate of our root if this is "tls", and for none if it is the edge's TLS… */
  readonly accepts: "plain" | "tls" | "edge";
  /** …in this version of HTTP… */
  readonly takes: Version;
  /** …and forwards `/api/` to this port of 127.0.0.1… */
  readonly upstream: number;
  /** …with TLS and its own certificate if this is "tls"; the server's must be of our root and name. */
  readonly dials: "plain" | "tls";
  /** What it speaks there, where a proxy does not choose itself. */
  readonly speaks: Version;
  /** A free port for metrics or administration. */
  readonly admin: number;
  readonly identity: IdentityFiles;
  /** It runs a policy that looks for the header `x-tester`, which no request of the load has. */
  readonly policy: boolean;
  /** It copies bytes to the upstream, and reads none of them. */
  readonly bytes: boolean;
}

/** Name in the identity of every hop, for the peers that check host names. */
export const HOSTNAME = "bench.test";
export const SPIFFE_ID = "spiffe://cluster.local/ns/default/sa/web";

/**
 * A proxy of the comparison. All are set up alike: one thread, the route
 * `/api/` and nothing else, metrics on, access log off, connections kept on
 * both sides.
 */
export interface Peer {
  readonly name: string;
  /** What runs its policy; absent: it takes no part in that case. */
  readonly policy?: string;
  /** It takes part where bytes are copied. */
  readonly bytes?: true;
  /** Why it cannot take part; null when it can. */
  lacking(): Promise<string | null>;
  /** The command that runs one hop; its config is written on the way. */
  command(hop: Hop): Promise<readonly string[]>;
}
