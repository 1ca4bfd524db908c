/** What `isDnsLabel` takes, for messages. */
export const DNS_LABEL = "a name of lower-case letters, digits and -, at most 63";

/** What `isDnsSubdomain` takes, for messages. */
export const DNS_SUBDOMAIN = "a name of lower-case letters, digits, - and ., at most 253";

/** True for a DNS-1123 label: a Service, a namespace, a port name. */
export function isDnsLabel(input: unknown): input is string {
  return typeof input === "string" && input.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(input);
}

/** True for a DNS-1123 subdomain: the name of most objects. */
export function isDnsSubdomain(input: unknown): input is string {
  return typeof input === "string" && input.length <= 253 && input.split(".").every((part) => isLabelOfAnyLength(part));
}

function isLabelOfAnyLength(part: string): boolean {
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part);
}
