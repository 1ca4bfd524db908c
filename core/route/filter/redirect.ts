import type { RequestHead } from "../../http/mod.ts";
import type { RedirectModel } from "../model.ts";
import { PathChange } from "./path-change.ts";

/** Where a request came in: what a redirect keeps of it. */
export interface Entrance {
  readonly secure: boolean;
  /** Port of the listener, or of the Service. */
  readonly port: number;
  /** Stands for the host of a request that names none (HTTP/1.0). */
  readonly host: string;
}

/** An answer that sends the client elsewhere (Gateway API, HTTPRequestRedirectFilter). Immutable. */
export class Redirect {
  readonly status: number;
  readonly #model: RedirectModel;
  readonly #path: PathChange | null;

  constructor(model: RedirectModel) {
    this.status = model.status;
    this.#model = model;
    this.#path = model.path === undefined ? null : new PathChange(model.path);
  }

  /** The Location; `prefix` as `PathChange.of` takes it. The query goes along. */
  location(head: RequestHead, from: Entrance, prefix: number): string {
    const scheme = this.#model.scheme ?? (from.secure ? "https" : "http");
    const path = this.#path === null ? head.pathText() : this.#path.of(head, prefix);
    const query = head.hasQuery ? `?${head.queryText()}` : "";
    const origin = `${scheme}://${this.#host(head, from)}${portSuffix(scheme, this.#port(head, from))}`;
    // "*" is no path, and would be part of the host.
    return `${origin}${path.startsWith("/") ? path : "/"}${query}`;
  }

  #host(head: RequestHead, from: Entrance): string {
    if (this.#model.hostname !== undefined) return this.#model.hostname;
    return head.authorityEnd > head.authorityStart ? head.text(head.authorityStart, head.hostEnd) : from.host;
  }

  /**
   * A scheme that is named brings its own port; else it is the listener's. A
   * client that reaches the same host by another port, as through a mapping,
   * goes on with that.
   */
  #port(head: RequestHead, from: Entrance): number {
    const { port, scheme, hostname } = this.#model;
    if (port !== undefined) return port;
    if (scheme !== undefined) return WELL_KNOWN[scheme];
    return hostname === undefined && head.port > 0 ? head.port : from.port;
  }
}

const WELL_KNOWN = { http: 80, https: 443 } as const;

/** Nobody writes the port that the scheme has anyway. */
function portSuffix(scheme: "http" | "https", port: number): string {
  return port === 0 || port === WELL_KNOWN[scheme] ? "" : `:${port}`;
}
