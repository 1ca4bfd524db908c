import { z } from "zod";
import { isIpAddress, isLabelKey } from "../../config/mod.ts";
import { expect, labels, object, optional, record, text, withDefault } from "../field.ts";

/*
 * The words of Gateway API that its kinds share, with the limits that its
 * CRDs set.
 */

/** The group of Gateway, HTTPRoute and their like. */
export const GATEWAY_GROUP = "gateway.networking.k8s.io";

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAME_LIMIT = 253;

export const group = () =>
  text(
    'a group like "example.com", or ""',
    (name) => name === "" || (name.length <= NAME_LIMIT && SUBDOMAIN.test(name)),
  );

export const kindName = () => text("a kind", (kind) => /^[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(kind));

/** Name of a referent, whose kind may have rules of its own for names. */
export const objectName = () =>
  text(`a name of 1 to ${NAME_LIMIT} characters`, (name) => name.length >= 1 && name.length <= NAME_LIMIT);

/** A part of an object: a listener, a rule, a port of a Service. */
export const sectionName = () =>
  text(
    `a name of lower-case letters, digits, - and ., at most ${NAME_LIMIT}`,
    (name) => name.length <= NAME_LIMIT && SUBDOMAIN.test(name),
  );

/** A host name, or `*.` before one; no address. */
export const hostname = () =>
  text('a host name like "example.com" or "*.example.com"', (name) => isHostname(name.replace(/^\*\./, "")));

export const preciseHostname = () => text('a host name like "example.com"', isHostname);

function isHostname(name: string): boolean {
  return name.length <= NAME_LIMIT && SUBDOMAIN.test(name) && !isIpAddress(name);
}

/** The list of a kind that holds so many entries at most; `entries` names them. */
export function list<S extends z.ZodType>(schema: S, entries: string, limits: { from?: number; to: number }) {
  const { from = 0, to } = limits;
  const expected = from === to ? `a list of ${to} ${entries}` : `a list of ${from} to ${to} ${entries}`;
  return z.array(schema).min(from, expected).max(to, expected);
}

const OPTIONS_LIMIT = 16;
const OPTION_VALUE_LIMIT = 4096;

/** Pairs of an annotation's form, at most 16: what an implementation adds. */
export function options() {
  const key = z.string().refine(isLabelKey, 'a key like "example.com/option"');
  const value = text(`text of at most ${OPTION_VALUE_LIMIT} characters`, (value) => value.length <= OPTION_VALUE_LIMIT);
  return atMost(z.record(key, value), OPTIONS_LIMIT);
}

const LABELS_LIMIT = 8;

export const infrastructureLabels = () => atMost(labels(), LABELS_LIMIT);

function atMost<S extends z.ZodType<Readonly<Record<string, unknown>>>>(pairs: S, limit: number) {
  return pairs.superRefine((given, context) => {
    if (Object.keys(given).length > limit) expect(context, `an object of at most ${limit} fields`);
  });
}

const expression = object({
  key: text("a label key", isLabelKey),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
  values: withDefault(z.array(text("text (put it in quotes)")), []),
}).superRefine(({ operator, values }, context) => {
  const wanted = operator === "In" || operator === "NotIn";
  if (wanted && values.length === 0) expect(context, `a list of values for ${operator}`, ["values"]);
  if (!wanted && values.length > 0) expect(context, `left out: the operator is ${operator}`, ["values"]);
});

/** What labels a thing must have (meta/v1 LabelSelector); an empty one finds all. */
const labelSelector = object({
  matchLabels: withDefault(record(text("text (put it in quotes)")), {}),
  matchExpressions: withDefault(z.array(expression), []),
});

/** Which namespaces are meant; `from` has its default. */
export function namespaces<S extends z.ZodType<string>>(from: S) {
  return object({ from, selector: optional(labelSelector) }).superRefine((given, context) => {
    const { from, selector } = given as { readonly from: string; readonly selector?: unknown };
    if (from === "Selector" && selector === undefined) expect(context, "a selector, as from is Selector", ["selector"]);
  });
}
