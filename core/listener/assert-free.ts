import { tryDatagrams } from "./datagrams.ts";
import { ListenFailed } from "./listen.ts";

/**
 * Makes sure that nobody has the address. SO_REUSEPORT, by which workers share
 * a port, would also share it with another process of the same user, and each
 * would get a part of the other's connections.
 *
 * @throws {ListenFailed} when the address cannot be bound.
 */
export function assertFree(address: {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  readonly datagrams?: true;
}): void {
  if (address.port === 0) return;
  const { hostname, port, datagrams } = address;
  try {
    if (datagrams) tryDatagrams(hostname, port);
    else Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
  } catch (cause) {
    throw new ListenFailed(address, cause);
  }
}
