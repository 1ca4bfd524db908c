import { networkInterfaces } from "node:os";

/** Addresses that mean every address of the machine. */
const WILDCARDS: readonly string[] = ["0.0.0.0", "::"];

/** Whether a connection to `address` would come back to a socket that is bound to `bound`. */
export function leadsTo(bound: string, address: string): boolean {
  if (bound === address) return true;
  if (WILDCARDS.includes(bound)) return isOfThisMachine(address);
  return WILDCARDS.includes(address) && isLoopback(bound);
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function isOfThisMachine(address: string): boolean {
  if (isLoopback(address) || WILDCARDS.includes(address)) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address));
}
