/**
 * Small values users write (ports, durations, addresses, names, labels) and
 * the problems with them. Knows no other room.
 * @module
 */
export { ADDRESS, type Address, formatAddress, IP_ADDRESS, isIpAddress, parseAddress } from "./address.ts";
export { addressAt, CIDR, type Cidr, canonicalAddress, cidrHolds, parseCidr } from "./cidr.ts";
export { DURATION, formatDuration, parseDuration } from "./duration.ts";
export { isLabelKey, isLabelValue, LABEL_KEY, LABEL_VALUE, type Labels, selects } from "./label.ts";
export { DNS_LABEL, DNS_SUBDOMAIN, isDnsLabel, isDnsSubdomain } from "./name.ts";
export { nearest } from "./nearest.ts";
export { isPort, PORT, parsePort } from "./port.ts";
export {
  compareText,
  foundText,
  hasErrors,
  inOrder,
  type Path,
  type Problem,
  pathText,
  problemOf,
  type Severity,
} from "./problem.ts";
