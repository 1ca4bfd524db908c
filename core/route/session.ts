import { createHash } from "node:crypto";
import type { Cluster, Endpoint } from "../cluster/mod.ts";
import { Field, type RequestHead } from "../http/mod.ts";
import type { SessionModel } from "./model.ts";

/** 128 bits of the digest: nobody meets two endpoints of one name. */
const NAME_CHARACTERS = 22;
const TOKEN = /^([A-Za-z0-9_-]{22})(?:\.([0-9a-z]{1,9}))?(?:\.([0-9a-z]{1,9}))?$/;

/** What a client brought: which endpoint, and since when. */
export interface SessionToken {
  readonly endpoint: string;
  /** Seconds since the epoch; 0 where no timeout asks. */
  readonly begunAt: number;
  readonly usedAt: number;
}

/**
 * Requests of one session go to one endpoint (GEP-1619). The client keeps its
 * name: a digest, the same at every proxy of the mesh, so that no proxy must
 * remember anything. It keeps addresses out of sight, but is no secret: whoever
 * knows the names of the mesh can try all addresses there may be. Immutable.
 */
export class Session {
  readonly #model: SessionModel;
  readonly #name: string;
  readonly #salt: string;
  readonly #names = new WeakMap<Endpoint, string>();
  /** Endpoints by their names, for each membership that was asked about. */
  readonly #known = new WeakMap<readonly Endpoint[], ReadonlyMap<string, Endpoint>>();

  /** @param salt tells the digests of one mesh and rule from those of others. */
  constructor(model: SessionModel, salt: string) {
    this.#model = model;
    this.#name = model.type === "Header" ? model.name.toLowerCase() : model.name;
    this.#salt = salt;
  }

  /** What the request brings; null without a token that is still good at `now`, ms since the epoch. */
  read(head: RequestHead, now: number): SessionToken | null {
    const value = this.#model.type === "Header" ? head.get(this.#name) : cookieOf(head, this.#name);
    const found = value === null ? null : TOKEN.exec(value);
    if (found === null) return null;
    const token = { endpoint: found[1]!, begunAt: secondsOf(found[2]), usedAt: secondsOf(found[3] ?? found[2]) };
    return this.#isGood(token, now / 1000) ? token : null;
  }

  #isGood({ begunAt, usedAt }: SessionToken, now: number): boolean {
    const { absoluteTimeoutMs, idleTimeoutMs } = this.#model;
    if (absoluteTimeoutMs !== undefined && now >= begunAt + absoluteTimeoutMs / 1000) return false;
    return idleTimeoutMs === undefined || now < usedAt + idleTimeoutMs / 1000;
  }

  /** The name by which clients know an endpoint. */
  nameOf(cluster: Cluster, endpoint: Endpoint): string {
    let name = this.#names.get(endpoint);
    if (name === undefined) {
      name = this.#digest(cluster, endpoint);
      this.#names.set(endpoint, name);
    }
    return name;
  }

  #digest(cluster: Cluster, endpoint: Endpoint): string {
    const key = `${this.#salt}\0${cluster.name}\0${endpoint.identity ?? ""}\0${endpoint.authority}`;
    return createHash("sha256").update(key).digest("base64url").slice(0, NAME_CHARACTERS);
  }

  /** The endpoint that clients know by a name; null where it is gone. */
  endpointNamed(cluster: Cluster, name: string): Endpoint | null {
    const { endpoints } = cluster;
    let known = this.#known.get(endpoints);
    if (known === undefined) {
      known = new Map(endpoints.map((endpoint) => [this.nameOf(cluster, endpoint), endpoint]));
      this.#known.set(endpoints, known);
    }
    return known.get(name) ?? null;
  }

  /** Whether a client must be told again although it goes where it went before. */
  get isRenewed(): boolean {
    return this.#model.idleTimeoutMs !== undefined;
  }

  /** The response line that gives the client its token; a session that goes on keeps its beginning. */
  line(endpoint: string, begunAt: number, now: number, secure: boolean): string {
    const { type, idleTimeoutMs, absoluteTimeoutMs } = this.#model;
    const seconds = Math.floor(now / 1000);
    const begun = begunAt === 0 ? seconds : begunAt;
    const timed = idleTimeoutMs !== undefined || absoluteTimeoutMs !== undefined;
    const token =
      endpoint + (timed ? `.${begun.toString(36)}` : "") + (this.isRenewed ? `.${seconds.toString(36)}` : "");
    if (type === "Header") return `${this.#model.name}: ${token}\r\n`;
    return `Set-Cookie: ${this.#name}=${token}; Path=/${this.#age(begun - seconds)}; HttpOnly${secure ? "; Secure" : ""}\r\n`;
  }

  #age(passed: number): string {
    const { lifetime, absoluteTimeoutMs } = this.#model;
    if (lifetime !== "Permanent" || absoluteTimeoutMs === undefined) return "";
    return `; Max-Age=${Math.max(1, Math.ceil(absoluteTimeoutMs / 1000) + passed)}`;
  }
}

function secondsOf(text: string | undefined): number {
  return text === undefined ? 0 : Number.parseInt(text, 36);
}

/** The first cookie of a name (RFC 6265, section 4.2.1). */
function cookieOf(head: RequestHead, name: string): string | null {
  for (let i = head.find(Field.Cookie); i >= 0; i = head.find(Field.Cookie, i + 1)) {
    for (const pair of head.valueText(i).split(";")) {
      const at = pair.indexOf("=");
      if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
    }
  }
  return null;
}
