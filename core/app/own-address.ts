import { networkInterfaces } from "node:os";

/** Addresses that mean every address of the machine. */
const WILDCARDS: readonly string[] = ["0.0.0.0", "::"];

/** Whether a connection to an address would come back to a socket that is bound to `bound`. */
export function leadsTo(bound: string, given: string): boolean {
  const address = plain(given);
  if (bound === address) return true;
  if (WILDCARDS.includes(bound)) return isOfThisMachine(address);
  return WILDCARDS.includes(address) && isLoopback(bound);
}

/** One spelling for each address; IPv4 in the clothes of IPv6 leads where IPv4 does. */
function plain(address: string): string {
  const url = `http://[${address}]`;
  if (!URL.canParse(url)) return address;
  const short = new URL(url).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  return [high, low]
    .map((half) => Number.parseInt(half, 16))
    .flatMap((half) => [half >> 8, half & 255])
    .join(".");
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function isOfThisMachine(address: string): boolean {
  if (isLoopback(address) || WILDCARDS.includes(address)) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address));
}
