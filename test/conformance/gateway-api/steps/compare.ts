import type { Seen } from "../echo/pod.ts";
import { INFRA } from "../manifest.ts";
import type { Answer } from "../wire.ts";
import type { Request } from "./model.ts";

/** What a request should have come to, and did not. */
export class Differs extends Error {
  override readonly name = "Differs";

  constructor(what: string, wanted: unknown, found: unknown) {
    super(`${what} must be ${JSON.stringify(wanted)}: current value is ${JSON.stringify(found)}`);
  }
}

export function same(what: string, wanted: unknown, found: unknown): void {
  if (!Bun.deepEquals(wanted, found)) throw new Differs(what, wanted, found);
}

/** How a request was sent: what its backend must see unless the test says otherwise. */
export interface Sent {
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly scheme: "http" | "https";
}

/** Judges an answer: status, response fields, then what the backend saw, or where a redirect leads. */
export function judge(request: Request, sent: Sent, answer: Answer): void {
  const statuses = [request.status ?? (request.redirect === undefined ? 200 : 302)].flat();
  if (!statuses.includes(answer.status)) throw new Differs("status", statuses, answer.status);
  judgeFields(request, answer);
  if (answer.status === 200 && request.backend !== undefined) judgeSeen(request, sent, seenIn(answer));
  if (request.redirect !== undefined) judgeRedirect(request.redirect, sent, fieldOf(answer, "location") ?? "");
}

export function seenIn(answer: Answer): Seen {
  try {
    return JSON.parse(answer.body) as Seen;
  } catch {
    throw new Differs("body", "an echo", answer.body.slice(0, 200));
  }
}

function fieldOf({ fields }: Answer, name: string): string | undefined {
  const values = fields.filter(([each]) => each === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(",");
}

function judgeFields({ answer: wanted }: Request, answer: Answer): void {
  for (const [name, value] of Object.entries(wanted?.headers ?? {})) {
    const found = folded(fieldOf(answer, name));
    if (![value].flat().some((each) => folded(each) === found))
      throw new Differs(`response field ${name}`, value, found);
  }
  for (const name of wanted?.absent ?? []) same(`response field ${name}`, undefined, fieldOf(answer, name));
}

function judgeSeen(request: Request, sent: Sent, seen: Seen): void {
  const { backend = "", namespace, seen: wanted = {} } = request;
  same("namespace", namespace ?? INFRA, seen.namespace);
  if (!seen.pod.startsWith(backend)) throw new Differs("backend", backend, seen.pod);
  same("path the backend saw", wanted.path ?? sent.path, seen.path);
  same("host the backend saw", wanted.host ?? sent.host, seen.host);
  same("method the backend saw", wanted.method ?? sent.method, seen.method);
  if (wanted.proto !== undefined) same("protocol the backend saw", wanted.proto, seen.proto);
  if (wanted.attempts !== undefined) same("attempts", wanted.attempts, seen.attempts);
  if (wanted.certificate !== undefined)
    same("client certificate", wanted.certificate, seen.tls?.peerCertificate !== undefined);
  if (wanted.serverName !== undefined) same("server name", wanted.serverName, seen.tls?.serverName);
  judgeHeaders(wanted, seen.headers);
}

/** Fields that the backend must have seen, and those it must not. */
export function judgeHeaders(
  wanted: { readonly headers?: Readonly<Record<string, string>>; readonly absent?: readonly string[] },
  headers: Readonly<Record<string, readonly string[]>>,
): void {
  for (const [name, value] of Object.entries(wanted.headers ?? {})) {
    same(`field ${name} the backend saw`, folded(value), folded(headers[name.toLowerCase()]?.join(",")));
  }
  for (const name of wanted.absent ?? [])
    same(`field ${name} the backend saw`, undefined, headers[name.toLowerCase()]?.join(","));
}

/** Lists compare without the blanks that proxies put behind commas. */
function folded(value: string | undefined): string | undefined {
  return value
    ?.split(",")
    .map((each) => each.trim())
    .join(",");
}

function judgeRedirect(wanted: NonNullable<Request["redirect"]>, sent: Sent, location: string): void {
  const url = URL.parse(location);
  if (url === null) throw new Differs("location", "a URL", location);
  const scheme = wanted.scheme ?? sent.scheme;
  same("scheme of the location", scheme, url.protocol.slice(0, -1));
  same("host of the location", wanted.host ?? sent.host, url.hostname);
  same("path of the location", wanted.path ?? sent.path, url.pathname + url.search);
  // A URL leaves out the port that its scheme has anyway.
  const usual = scheme === "https" ? 443 : 80;
  const port = wanted.port === undefined || wanted.port === usual ? "" : String(wanted.port);
  same("port of the location", port, url.port);
}
