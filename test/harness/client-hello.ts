/** Parts of a ClientHello that a test writes by hand. */
export interface HelloParts {
  readonly serverName?: string;
  readonly protocols?: readonly string[];
  /** Further extensions, by type: they come first. */
  readonly extensions?: readonly (readonly [type: number, body: Uint8Array])[];
}

/** The handshake message, without records around it. */
export function helloMessage({ serverName, protocols, extensions = [] }: HelloParts): Buffer {
  const all = [...extensions];
  if (serverName !== undefined) all.push([0, vector(2, Buffer.concat([Buffer.of(0), vector(2, serverName)]))]);
  if (protocols !== undefined) all.push([16, vector(2, Buffer.concat(protocols.map((name) => vector(1, name))))]);
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 8)),
    vector(2, Buffer.of(0x0a, 0x0a, 0x13, 0x01)),
    vector(1, Buffer.of(0)),
    vector(2, Buffer.concat(all.map(([type, bytes]) => Buffer.concat([number(2, type), vector(2, bytes)])))),
  ]);
  return Buffer.concat([Buffer.of(1), vector(3, body)]);
}

/** A message in records of so many bytes at most. */
export function records(message: Uint8Array, size = 16_384): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    pieces.push(Buffer.of(0x16, 3, 1), vector(2, message.subarray(at, at + size)));
  }
  return Buffer.concat(pieces);
}

export function clientHello(parts: HelloParts): Buffer {
  return records(helloMessage(parts));
}

/** Bytes behind their length, as TLS writes them. */
export function vector(lengthSize: number, bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as string);
  return Buffer.concat([number(lengthSize, body.length), body]);
}

function number(size: number, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}
