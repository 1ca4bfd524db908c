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
    if (json.enterArray()) while (json.nextElement()) keys.push(new Key(consumer, digestOf(json.string())));
    else keys.push(new Key(consumer, digestOf(json.string())));
  }
  return 0;
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

/** A key in the config is its SHA-256 as "sha256:<hex>", or the key itself. */
function digestOf(key: string): Uint8Array {
  if (!key.startsWith("sha256:")) return sha256(bytesOf(key));
  assert(key.length == 7 + 64, "a SHA-256 has 64 hex digits");
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = <u8>parseInt(key.substr(7 + i * 2, 2), 16);
  return digest;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}
