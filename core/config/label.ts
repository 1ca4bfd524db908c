import { isDnsSubdomain } from "./name.ts";

export type Labels = Readonly<Record<string, string>>;

/** What `isLabelKey` takes, for messages. */
export const LABEL_KEY = 'a label key like "app" or "example.com/app", at most 63 after the prefix';

/** What `isLabelValue` takes, for messages. */
export const LABEL_VALUE = "a label value of letters, digits, -, _ and ., at most 63";

export function isLabelKey(input: unknown): input is string {
  if (typeof input !== "string") return false;
  const slash = input.indexOf("/");
  if (slash >= 0 && !isDnsSubdomain(input.slice(0, slash))) return false;
  const name = input.slice(slash + 1);
  return name.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name);
}

export function isLabelValue(input: unknown): input is string {
  return typeof input === "string" && input.length <= 63 && /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(input);
}

/** True where the labels carry every pair of the selector. An empty selector selects nothing, as for a Service. */
export function selects(selector: Labels, labels: Labels): boolean {
  const pairs = Object.entries(selector);
  return pairs.length > 0 && pairs.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}
