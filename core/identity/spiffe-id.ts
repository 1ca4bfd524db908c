import { MeshError } from "../base/mod.ts";

/** A name of the form `spiffe://<trust domain><path>`; the path is empty for the trust domain itself. */
export interface SpiffeId {
  readonly text: string;
  readonly trustDomain: string;
  readonly path: string;
}

/** The namespace and service account that a workload's path names. */
export interface WorkloadName {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** The trust domain we are, and the names it had before: all of them mean us. */
export interface TrustDomains {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
}

/** Text that is not a SPIFFE ID by the standard. */
export class InvalidSpiffeId extends MeshError {
  override readonly name = "InvalidSpiffeId";
  readonly code = "MESH_INVALID_SPIFFE_ID";
  readonly source = "mesh";

  constructor(text: string, problem: string) {
    super(`Cannot read SPIFFE ID "${text.slice(0, 100)}": ${problem}`);
  }
}

const SCHEME = "spiffe://";
// SPIFFE-ID 2.1 and 2.3: implementations support these lengths and should not make longer ones.
const MAX_TRUST_DOMAIN_BYTES = 255;
const MAX_ID_BYTES = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/**
 * Reads a SPIFFE ID, SPIFFE-ID section 2: no normalizing, no percent encoding,
 * so that two ids are the same exactly when their texts are.
 *
 * @throws {InvalidSpiffeId} with the first rule that the text breaks.
 */
export function parseSpiffeId(text: string): SpiffeId {
  const problem = problemOfId(text);
  if (problem !== null) throw new InvalidSpiffeId(text, problem);
  return split(text);
}

/** Reads text that a stranger chose: null when it is not a SPIFFE ID. */
export function readSpiffeId(text: string): SpiffeId | null {
  return problemOfId(text) === null ? split(text) : null;
}

/** Says what is wrong with the name of a trust domain; null when nothing is. */
export function problemOfTrustDomain(name: string): string | null {
  if (name === "") return "trust domain is missing";
  if (!TRUST_DOMAIN.test(name)) {
    return "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores";
  }
  return name.length > MAX_TRUST_DOMAIN_BYTES ? "trust domain is longer than 255 bytes" : null;
}

/**
 * Names a workload of the mesh: `spiffe://<td>/ns/<namespace>/sa/<service account>`.
 *
 * @throws {InvalidSpiffeId} when a part may not stand in a SPIFFE ID.
 */
export function workloadId(trustDomain: string, namespace: string, serviceAccount: string): string {
  const text = `${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  const id = parseSpiffeId(text);
  // A slash inside a part would give another workload's name, or none.
  if (id.path.split("/").length !== 5) throw new InvalidSpiffeId(text, "namespace or service account has a slash");
  return text;
}

/** Reads back what `workloadId()` wrote: null for ids of another form. */
export function workloadOf(id: SpiffeId): WorkloadName | null {
  const parts = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id.path);
  return parts === null ? null : { namespace: parts[1]!, serviceAccount: parts[2]! };
}

/** Names the control plane of a trust domain. */
export function controlId(trustDomain: string): string {
  return parseSpiffeId(`${SCHEME}${trustDomain}/mesh/control`).text;
}

/** Tells if a name is our trust domain's, its aliases included. */
export function isOurDomain(domains: TrustDomains, trustDomain: string): boolean {
  return trustDomain === domains.trustDomain || domains.trustDomainAliases.includes(trustDomain);
}

/** Compares two ids; ids that differ only in which of our own names they use are the same identity. */
export function isSameIdentity(a: string, b: string, domains: TrustDomains): boolean {
  if (a === b) return readSpiffeId(a) !== null;
  const left = readSpiffeId(a);
  const right = readSpiffeId(b);
  if (left === null || right === null || left.path !== right.path) return false;
  return isOurDomain(domains, left.trustDomain) && isOurDomain(domains, right.trustDomain);
}

function problemOfId(text: string): string | null {
  if (text === "") return "cannot be empty";
  if (!text.startsWith(SCHEME)) return "scheme is missing or invalid";
  const slash = text.indexOf("/", SCHEME.length);
  const trustDomain = slash < 0 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
  const problem = problemOfTrustDomain(trustDomain) ?? (slash < 0 ? null : problemOfPath(text.slice(slash)));
  if (problem !== null) return problem;
  return text.length > MAX_ID_BYTES ? "longer than 2048 bytes" : null;
}

function problemOfPath(path: string): string | null {
  const segments = path.slice(1).split("/");
  for (const [index, segment] of segments.entries()) {
    if (segment === "") {
      return index === segments.length - 1 ? "path cannot have a trailing slash" : "path cannot contain empty segments";
    }
    if (segment === "." || segment === "..") return "path cannot contain dot segments";
    if (!SEGMENT.test(segment)) {
      return "path segment characters are limited to letters, numbers, dots, dashes, and underscores";
    }
  }
  return null;
}

function split(text: string): SpiffeId {
  const slash = text.indexOf("/", SCHEME.length);
  const end = slash < 0 ? text.length : slash;
  return Object.freeze({ text, trustDomain: text.slice(SCHEME.length, end), path: text.slice(end) });
}
