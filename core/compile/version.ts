/** Hex digits of a version: 64 bits, so that two models of one name do not meet by chance. */
const VERSION_DIGITS = 16;

/** The version of a model: a hash of what it says. */
export function versionOf(model: object): string {
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(model)).digest("hex").slice(0, VERSION_DIGITS);
}
