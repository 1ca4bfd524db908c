import { MeshError } from "../base/mod.ts";

/** The join token's text cannot be used. */
export class BadToken extends MeshError {
  override readonly name = "BadToken";
  readonly code = "MESH_BAD_TOKEN";
  readonly source = "mesh";
}

/**
 * What a proxy needs to enter a mesh it has never seen: a secret that proves
 * it to the control plane, and the fingerprint that proves the control plane to it.
 */
export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  /** SHA-256 of the root certificate, hex. */
  readonly root: string;
  readonly trustDomain: string;
  readonly namespace: string;
  /** Service account, which is also the workload's name. */
  readonly name: string;
}

const PREFIX = "mesh1.";

/** One string without spaces, to be pasted into a flag, a file or an environment variable. */
export function formatJoinToken(token: JoinToken): string {
  const { id, secret, root, trustDomain, namespace, name } = token;
  return PREFIX + Buffer.from(JSON.stringify({ id, secret, root, trustDomain, namespace, name })).toString("base64url");
}

/** @throws {BadToken} when the text is not a whole join token. */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX))
    throw new BadToken(
      `Cannot read the join token: it does not start with "${PREFIX}"; make one with "mesh token create"`,
    );
  const fields = decode(trimmed.slice(PREFIX.length));
  const field = (name: keyof JoinToken): string => {
    const value = fields[name];
    if (typeof value === "string" && value !== "") return value;
    throw new BadToken(`Cannot read the join token: it carries no ${name}; was it cut when it was copied?`);
  };
  return {
    id: field("id"),
    secret: field("secret"),
    root: field("root"),
    trustDomain: field("trustDomain"),
    namespace: field("namespace"),
    name: field("name"),
  };
}

function decode(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // told below, without the text: it is a secret
  }
  throw new BadToken("Cannot read the join token: it is damaged; was it cut when it was copied?");
}
