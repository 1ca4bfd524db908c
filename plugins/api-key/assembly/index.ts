import { Answer, JsonReader, Request, refuse, setting, sha256 } from "../../sdk/assembly";

/** One key that is let in, and who holds it. */
class Key {
  constructor(
    public readonly consumer: string,
    public readonly digest: Uint8Array,
  ) {}
}

let header = "";
let consumerHeader = "";
let challenge = "";
let keys: Key[] = [];

export function configure(): i32 {
  header = setting("header", "x-api-key").toLowerCase();
  consumerHeader = setting("consumerHeader", "x-consumer").toLowerCase();
  challenge = 'ApiKey realm="' + setting("realm", "mesh") + '", header="' + header + '"';
  keys = [];
  const json = JsonReader.of(setting("keys", "{}"));
  if (!json.enterObject()) return refuse('"keys" is an object of consumers and their keys');
  while (json.nextMember()) {
    const consumer = json.key();
    let valid = true;
    if (json.enterArray()) while (json.nextElement()) valid = add(consumer, json.string()) && valid;
    else valid = add(consumer, json.string());
    if (!valid) return refuse('"sha256:" is followed by 64 hex digits, for a key of "' + consumer + '"');
  }
  return 0;
}

/** A key in the config is its SHA-256 as "sha256:<hex>", or the key itself. False where it is neither. */
function add(consumer: string, key: string): bool {
  const digest = key.startsWith("sha256:") ? unhex(key.substring(7)) : sha256(bytesOf(key));
  if (digest.length != 32) return false;
  keys.push(new Key(consumer, digest));
  return true;
}

export function on_request(): i32 {
  const request = Request.read();
  const given = request.header(header);
  let consumer: string | null = null;
  if (given !== null && given.length <= 1024) consumer = holderOf(sha256(bytesOf(given)));
  if (consumer === null) {
    return Answer.respond(401)
      .header("www-authenticate", challenge)
      .header("content-type", "application/json")
      .body(given === null ? '{"error":"an API key is required"}' : '{"error":"the API key is not known"}')
      .send();
  }
  return Answer.pass().header(consumerHeader, consumer).without(header).send();
}

/** Who holds the key with this digest; null for nobody. Takes the same time wherever and whether a key is found. */
function holderOf(digest: Uint8Array): string | null {
  let found = -1;
  for (let i = 0; i < keys.length; i++) {
    let difference: u64 = 0;
    for (let k = 0; k < 32; k += 8)
      difference |= load<u64>(digest.dataStart + k) ^ load<u64>(keys[i].digest.dataStart + k);
    found = select(i, found, difference == 0);
  }
  return found < 0 ? null : keys[found].consumer;
}

/** Bytes of hex digits; none where there is anything else. */
function unhex(text: string): Uint8Array {
  if (text.length % 2 != 0) return new Uint8Array(0);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < text.length; i++) {
    const digit = "0123456789abcdef".indexOf(text.charAt(i).toLowerCase());
    if (digit < 0) return new Uint8Array(0);
    bytes[i >> 1] = <u8>((bytes[i >> 1] << 4) | digit);
  }
  return bytes;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}
