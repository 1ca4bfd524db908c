import { latin1, NO_BYTES } from "../../base/mod.ts";
import { type Edits, type Fields, Method, type RequestHead } from "../../http/mod.ts";
import type { CorsModel } from "../model.ts";

/** Origins remembered with their lines, per rule and worker. */
const MAX_ORIGINS = 100;
const PREFIX = latin1("access-control-");
/** Methods that a page may use without asking (Fetch, 2.2.1). */
const SAFELISTED = ["GET", "HEAD", "POST"];

/**
 * Who may read the answers of a rule from a page of another origin (Gateway
 * API, HTTPCORSFilter). What the upstream says of it itself does not go on.
 */
export class Cors {
  readonly #model: CorsModel;
  readonly #origins: readonly RegExp[];
  readonly #anyOrigin: boolean;
  readonly #known = new Map<string, CorsLines>();
  readonly #closed: CorsLines;

  constructor(model: CorsModel) {
    this.#model = model;
    this.#anyOrigin = model.allowOrigins.includes("*");
    this.#origins = model.allowOrigins.filter((origin) => origin !== "*").map(originPattern);
    this.#closed = new CorsLines(this.#anyOrigin ? "" : "Vary: Origin\r\n");
  }

  /** Asks before a request whether it may be made (Fetch, "CORS-preflight request"). */
  isPreflight(head: RequestHead): boolean {
    if (head.method !== Method.Options) return false;
    return head.findName("origin") >= 0 && head.findName("access-control-request-method") >= 0;
  }

  /** What an answer says of its readers, and what of the upstream's own words does not go on. */
  ofAnswer(head: RequestHead): Edits {
    const origin = originOf(head);
    if (origin === null || !this.#allows(origin)) return this.#closed;
    const key = this.#model.allowCredentials || !this.#anyOrigin ? origin : "*";
    let lines = this.#known.get(key);
    if (lines === undefined) {
      lines = new CorsLines(this.#answerLines(key));
      if (this.#known.size < MAX_ORIGINS) this.#known.set(key, lines);
    }
    return lines;
  }

  /** Fields of the answer to a preflight; one that is not allowed is told nothing. */
  ofPreflight(head: RequestHead): Buffer {
    const origin = originOf(head);
    if (origin === null || !this.#allows(origin)) return latin1(VARY_PREFLIGHT);
    const { allowMethods, allowHeaders, maxAgeSeconds } = this.#model;
    const methods = this.#listed(allowMethods, head, "access-control-request-method");
    const headers = this.#listed(allowHeaders, head, "access-control-request-headers");
    const lines = [
      `Access-Control-Allow-Origin: ${this.#told(origin)}\r\n`,
      this.#credentials(),
      `Access-Control-Allow-Methods: ${methods === "" ? SAFELISTED.join(", ") : methods}\r\n`,
      headers === "" ? "" : `Access-Control-Allow-Headers: ${headers}\r\n`,
      `Access-Control-Max-Age: ${maxAgeSeconds}\r\n`,
      VARY_PREFLIGHT,
    ];
    return latin1(lines.join(""));
  }

  #allows(origin: string): boolean {
    return this.#anyOrigin || this.#origins.some((pattern) => pattern.test(origin));
  }

  /** "*" is no answer to a request with credentials (Fetch, 3.3.5). */
  #told(origin: string): string {
    return this.#anyOrigin && !this.#model.allowCredentials ? "*" : origin;
  }

  #credentials(): string {
    return this.#model.allowCredentials ? "Access-Control-Allow-Credentials: true\r\n" : "";
  }

  #answerLines(origin: string): string {
    const told = this.#told(origin);
    const exposed = this.#model.exposeHeaders.join(", ");
    const vary = told === "*" ? "" : "Vary: Origin\r\n";
    const expose = exposed === "" ? "" : `Access-Control-Expose-Headers: ${exposed}\r\n`;
    return `Access-Control-Allow-Origin: ${told}\r\n${this.#credentials()}${expose}${vary}`;
  }

  /** A star takes whatever is asked for: by its name where there are credentials, as a star means itself there. */
  #listed(allowed: readonly string[], head: RequestHead, asked: string): string {
    if (!allowed.includes("*")) return allowed.join(", ");
    return this.#model.allowCredentials ? (head.get(asked) ?? "") : "*";
  }
}

const VARY_PREFLIGHT = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n";

class CorsLines implements Edits {
  readonly lines: Buffer;

  constructor(lines: string) {
    this.lines = lines === "" ? NO_BYTES : latin1(lines);
  }

  drops(head: Fields, i: number): boolean {
    const start = head.nameStart(i);
    if (head.nameEnd(i) - start <= PREFIX.length) return false;
    for (let k = 0; k < PREFIX.length; k++) if ((head.bytes[start + k]! | 0x20) !== PREFIX[k]) return false;
    return true;
  }
}

function originOf(head: RequestHead): string | null {
  const i = head.findName("origin");
  return i < 0 ? null : head.valueText(i);
}

/** A star in the host stands for one label or more, the first only: no origin has another. Scheme and host have no case. */
function originPattern(origin: string): RegExp {
  const escaped = origin.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace("\\*", "[a-z0-9_.-]+")}$`, "i");
}
