import { existsSync } from "node:fs";
import { join } from "node:path";
import { isIpAddress } from "../core/config/mod.ts";
import { ControlClient } from "../core/control/client/mod.ts";
import { readText } from "./file.ts";
import { text, withDefault } from "./flag.ts";
import { Usage } from "./usage.ts";
import type { Given } from "./verb.ts";

/** Where a control plane keeps what it must not forget, unless told otherwise. */
export const DEFAULT_DATA = "./data";
/** File in the data directory that lets a user of the same machine in. */
const ADMIN_TOKEN = "admin.token";

/** Flags of every verb that asks the control plane. */
export const CLIENT_FLAGS = {
  control: withDefault(
    text({ hint: "URL", env: "MESH_CONTROL", about: "API of the control plane" }),
    "http://127.0.0.1:15080",
  ),
  token: text({ hint: "TOKEN", env: "MESH_TOKEN", about: "API token" }),
  tokenFile: text({ hint: "FILE", about: "file that holds the API token" }),
  data: text({
    hint: "DIR",
    env: "MESH_DATA",
    about: `data directory of a control plane of this machine, whose ${ADMIN_TOKEN} is used`,
  }),
} as const;

/** The control plane that the flags name, with the token they lead to. */
export function clientOf(flags: Given<typeof CLIENT_FLAGS>): ControlClient {
  const url = urlOf(flags.control);
  return new ControlClient({ url: url.origin, token: tokenOf(flags, url) });
}

function urlOf(typed: string): URL {
  const url = URL.parse(typed.includes("://") ? typed : `http://${typed}`);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new Usage(`--control must be a URL like "http://127.0.0.1:15080": current value is "${typed}"`);
}

function tokenOf({ token, tokenFile, data }: Given<typeof CLIENT_FLAGS>, url: URL): string | null {
  if (tokenFile !== null) return readToken(tokenFile);
  if (token !== null) return token;
  if (data !== null) return readToken(join(data, ADMIN_TOKEN));
  const own = join(DEFAULT_DATA, ADMIN_TOKEN);
  // A token that nobody named is not sent to other machines.
  return isLoopback(url.hostname) && existsSync(own) ? readToken(own) : null;
}

function readToken(file: string): string {
  return readText(file, "the API token").trim();
}

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  return bare === "localhost" || bare === "::1" || (isIpAddress(bare) && bare.startsWith("127."));
}
