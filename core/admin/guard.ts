import { MeshError } from "../base/mod.ts";
import { type Address, formatAddress, isIpAddress, parseAddress } from "../config/mod.ts";

/** True for names and addresses that only this machine can mean. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIpAddress(host) && host.startsWith("127."));
}

/**
 * Why the admin door must not answer a request; null where it may.
 *
 * A web page can make a browser on this machine send requests here. Host must
 * be an address or "localhost", never a name that DNS could point at us
 * (rebinding), and Origin, which a browser adds to what other sites send, must
 * be our own.
 */
export function refusalOf(request: Request, allowRemote: boolean): string | null {
  const host = request.headers.get("host") ?? "";
  const name = hostOf(host);
  if (!(isLoopback(name) || (allowRemote && isIpAddress(name))))
    return `the host "${host}" is not ${allowRemote ? "an IP address or localhost" : "a loopback address"}`;
  const origin = request.headers.get("origin");
  return origin === null || origin === `http://${host}` ? null : `requests from the site "${origin}" are not answered`;
}

/** The admin door would be open to other machines. */
export class AdminExposed extends MeshError {
  override readonly name = "AdminExposed";
  readonly code = "MESH_ADMIN_EXPOSED";
  readonly source = "mesh";

  constructor(address: Address) {
    super(
      `Cannot listen on ${formatAddress(address)} for admin: other machines could reach it; use 127.0.0.1:${address.port} or allow it explicitly`,
    );
  }
}

function hostOf(authority: string): string {
  const address = parseAddress(authority) ?? parseAddress(`${authority}:80`);
  return address?.host.toLowerCase() ?? "";
}
