import { MeshError, messageOf } from "../base/mod.ts";
import { type Address, formatAddress } from "../config/mod.ts";

/** Answers one request for a path. */
export type Answer = (url: URL) => Response | Promise<Response>;
/** Path → method → answer. HEAD is answered as GET without the body. */
export type Pages = Readonly<Record<string, { readonly GET?: Answer; readonly POST?: Answer }>>;

export interface Door {
  /** The address that was bound, with the port that port 0 became. */
  readonly address: Address;
  close(): Promise<void>;
}

export interface DoorOptions {
  /** Word for messages: admin, health, metrics. */
  readonly purpose: string;
  readonly address: Address;
  readonly pages: Pages;
  /** Says why a request must not be answered; null where it may. */
  readonly refusal?: (request: Request) => string | null;
}

/** Where the request's own may not be read: a strange Host makes it no URL. */
const NO_URL = new URL("http://localhost/");
/** Nobody sends these doors a body worth reading. */
const MAX_BODY_BYTES = 4_096;

/**
 * Serves a few pages on a listener of their own.
 *
 * @throws {DoorUnavailable} when the address cannot be bound.
 */
export function openDoor(options: DoorOptions): Door {
  const server = listen(options);
  return {
    address: { host: options.address.host, port: server.port ?? options.address.port },
    close: () => server.stop(true),
  };
}

/** The address of a side door cannot be bound. */
export class DoorUnavailable extends MeshError {
  override readonly name = "DoorUnavailable";
  readonly code = "MESH_DOOR_UNAVAILABLE";
  readonly source = "mesh";

  constructor({ purpose, address }: DoorOptions, cause: unknown) {
    const where = formatAddress(address);
    super(`Cannot listen on ${where} for ${purpose}: ${whyOf(cause)}; free it or choose another with --${purpose}`, {
      cause,
    });
  }
}

function listen(options: DoorOptions): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname: options.address.host,
      port: options.address.port,
      maxRequestBodySize: MAX_BODY_BYTES,
      development: false,
      // Said outright: with development off and this left out, Bun shares a taken port instead of refusing it.
      reusePort: false,
      fetch: (request) => answer(request, options),
      error: (error) => json(NO_URL, { error: messageOf(error) }, 500),
    });
  } catch (cause) {
    throw new DoorUnavailable(options, cause);
  }
}

function answer(request: Request, { pages, refusal }: DoorOptions): Response | Promise<Response> {
  const why = refusal?.(request) ?? null;
  if (why !== null) return json(NO_URL, { error: why }, 403);
  const url = new URL(request.url);
  const page = Object.hasOwn(pages, url.pathname) ? pages[url.pathname] : undefined;
  if (page === undefined) return json(url, { error: `no such page: ${url.pathname}`, pages: Object.keys(pages) }, 404);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const found = method === "GET" || method === "POST" ? page[method] : undefined;
  if (found !== undefined) return found(url);
  const allow = Object.keys(page).join(", ");
  return json(url, { error: `${request.method} is not for this page: use ${allow}` }, 405, { allow });
}

/** A JSON answer; `?pretty` is for people. */
export function json(url: URL, body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const text = JSON.stringify(body, null, url.searchParams.has("pretty") ? 2 : undefined);
  return new Response(`${text}\n`, { status, headers: { "content-type": "application/json", ...headers } });
}

function whyOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (code === "EADDRINUSE") return "the address is taken";
  if (code === "EADDRNOTAVAIL") return "the address is not of this machine";
  if (code === "EACCES" || code === "EPERM") return "the port is not permitted to this user";
  return messageOf(cause);
}
