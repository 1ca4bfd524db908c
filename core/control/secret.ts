import { timingSafeEqual } from "node:crypto";

/** Bytes of a secret: too many to be guessed, so that one plain hash of them is enough to keep. */
const SECRET_BYTES = 24;
const ID_BYTES = 6;

/** Randomness for secrets, of cryptographic quality. */
export type RandomBytes = (count: number) => Uint8Array;

export interface Secret {
  readonly id: string;
  readonly secret: string;
  /** What is stored: SHA-256 of the secret, hex. */
  readonly hash: string;
}

export function newSecret(random: RandomBytes): Secret {
  const id = Buffer.from(random(ID_BYTES)).toString("hex");
  const secret = Buffer.from(random(SECRET_BYTES)).toString("base64url");
  return { id, secret, hash: hashOf(secret) };
}

/** Compares in a time that tells nothing about where they differ. */
export function matches(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(hash));
}

function hashOf(secret: string): string {
  return new Bun.CryptoHasher("sha256").update(secret).digest("hex");
}
