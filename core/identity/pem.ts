/** Text armour around DER, RFC 7468, with a newline at its end so that armours can be joined. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Reads every block with the label, in the order of the text; other blocks and words between them are passed over. */
export function decodePem(label: string, text: string): Uint8Array<ArrayBuffer>[] {
  const blocks = text.matchAll(new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, "g"));
  return [...blocks].map((block) => new Uint8Array(Buffer.from(block[1]!, "base64")));
}
