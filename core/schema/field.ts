import { z } from "zod";
import {
  DNS_LABEL,
  DNS_SUBDOMAIN,
  DURATION,
  isDnsLabel,
  isDnsSubdomain,
  isLabelKey,
  isLabelValue,
  isPort,
  LABEL_KEY,
  LABEL_VALUE,
  PORT,
  parseDuration,
} from "../config/mod.ts";

/*
 * The blocks that kinds are built from. In this room the message of a schema
 * is what is expected ("a port from 1 to 65535"); `issue.ts` makes the
 * sentence of it, with the path and what was found.
 */

/** An object in which an unknown field is a problem that knows the fields there are. */
export function object<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape).join(",");
  return z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? known : undefined) });
}

/** A field that may be left out; null means the same, as in Kubernetes. */
export function optional<S extends z.ZodType>(schema: S) {
  return z.nullish(schema).transform((value) => value ?? undefined);
}

/** A field with a value of its own where it is left out or null. */
export function withDefault<S extends z.ZodType>(schema: S, value: z.output<S>) {
  return z.nullish(schema).transform((given) => given ?? value);
}

/** A value that a function reads; null from it is a problem. */
export function value<T>(expected: string, parse: (input: unknown) => T | null) {
  return z.unknown().transform((input, context): T => {
    const parsed = parse(input);
    if (parsed !== null) return parsed;
    context.issues.push({ code: "custom", message: expected, input });
    return z.NEVER;
  });
}

/** An object that may be left out, as all of its fields may. */
export function section<S extends z.ZodType>(schema: S) {
  return withDefault(schema, schema.parse({}));
}

/** Runs a rule across fields although one of them is wrong, so that all problems are told at once; there must be fields. */
export const ALWAYS = {
  when: ({ value }: { readonly value: unknown }): boolean => typeof value === "object" && value !== null,
};

/**
 * A list in which no two entries have the same key; `field` is where the
 * second one is told of. Entries may be wrong in other ways: a key that is not
 * text or a number is not looked at.
 */
export function distinct<S extends z.ZodType>(
  list: S,
  field: string,
  keyOf: (entry: Entry) => unknown = (e) => e[field],
) {
  return list.superRefine((entries, context) => {
    const seen = new Set<unknown>();
    for (const [i, entry] of (Array.isArray(entries) ? entries : []).entries()) {
      const key = typeof entry === "object" && entry !== null ? keyOf(entry) : undefined;
      if ((typeof key !== "string" && typeof key !== "number") || !seen.has(key)) seen.add(key);
      else expect(context, `a ${field} that no other entry of the list has`, [i, field]);
    }
  }, ALWAYS);
}

type Entry = Readonly<Record<string, unknown>>;

/** Text that a predicate accepts. */
export function text(expected: string, accepts: (input: string) => boolean = () => true) {
  return value(expected, (input) => (typeof input === "string" && accepts(input) ? input : null));
}

/** A field of a standard kind that is taken as it is and means nothing to the mesh. */
export function ignored() {
  return z.unknown().optional();
}

/** A field that is valid in its standard but not built yet: using it is a problem. */
export function unsupported(feature: string) {
  return z
    .unknown()
    .optional()
    .superRefine((given, context) => {
      if (given !== undefined && given !== null) refuse(context, feature);
    });
}

/** Says at a place that a valid feature is not built yet. */
export function refuse(context: z.RefinementCtx, feature: string, path: (string | number)[] = []): void {
  context.addIssue({ code: "custom", message: feature, path, params: { unsupported: true } });
}

/** Says what would have to stand at a place. */
export function expect(context: z.RefinementCtx, expected: string, path: (string | number)[] = []): void {
  context.addIssue({ code: "custom", message: expected, path });
}

export const port = () => value(PORT, (input) => (isPort(input) ? input : null));
export const duration = () => value(DURATION, parseDuration);
export const dnsLabel = () => text(DNS_LABEL, isDnsLabel);
export const dnsSubdomain = () => text(DNS_SUBDOMAIN, isDnsSubdomain);

/** Name of a port: what Kubernetes calls an IANA service name, without its rule of a letter. */
export const portName = () => text(DNS_LABEL, (name) => name === "" || isDnsLabel(name));

export const wholeNumber = (from: number, to: number) =>
  value(`a whole number from ${from} to ${to}`, (input) =>
    typeof input === "number" && Number.isInteger(input) && input >= from && input <= to ? input : null,
  );

/** Pairs of text whose keys and values are labels. */
export function labels() {
  return z.record(z.string().refine(isLabelKey, LABEL_KEY), labelValue());
}

/** Pairs of any keys; `__proto__` is a key like others to YAML and must not be one to us. */
export function record<S extends z.ZodType>(schema: S) {
  return z.record(z.string(), schema);
}

const labelValue = () => text(LABEL_VALUE, isLabelValue);
