import { z } from "zod";
import { ALWAYS, dnsLabel, expect, object, optional, port, wholeNumber, withDefault } from "../field.ts";
import { GATEWAY_GROUP, group, kindName, list, objectName, sectionName } from "./gateway-field.ts";

/** What a route wants to be attached to; the group of a Service may be left out. */
const parentRef = object({
  group: optional(group()),
  kind: withDefault(kindName(), "Gateway"),
  namespace: optional(dnsLabel()),
  name: objectName(),
  sectionName: optional(sectionName()),
  port: optional(port()),
}).transform((ref) => ({ ...ref, group: ref.group ?? (ref.kind === "Service" ? "" : GATEWAY_GROUP) }));

type ParentRef = z.output<typeof parentRef>;

const PARENT_LIMIT = 32;

/** Parents of a route; those of one object are told apart by the same fields. */
export const parentRefs = list(parentRef, "parents", { to: PARENT_LIMIT }).superRefine((refs, context) => {
  const first = new Map<string, ParentRef>();
  const seen = new Set<string>();
  for (const [i, ref] of refs.entries()) {
    const object = JSON.stringify([ref.group, ref.kind, ref.namespace ?? "", ref.name]);
    const other = first.get(object);
    const section = JSON.stringify([object, ref.sectionName ?? "", ref.port ?? 0]);
    if (other === undefined) first.set(object, ref);
    else if (formOf(other) !== formOf(ref))
      expect(context, "a parent with sectionName and port where another entry for the same object has them", [i]);
    else if (seen.has(section)) expect(context, "a parent that no other entry of the list is", [i]);
    seen.add(section);
  }
});

function formOf({ sectionName, port }: ParentRef): string {
  return `${sectionName !== undefined} ${port !== undefined}`;
}

const backendFields = {
  group: withDefault(group(), ""),
  kind: withDefault(kindName(), "Service"),
  namespace: optional(dnsLabel()),
  name: objectName(),
  port: optional(port()),
};

/** Where requests or their copies may go. */
export const backendObject = object(backendFields).superRefine(wantPort, ALWAYS);

const WEIGHT_LIMIT = 1_000_000;

/** A weighted backend, with fields of its own kind of route beside those of all. */
export function backendRef<S extends z.core.$ZodLooseShape>(fields: S) {
  const weight = withDefault(wholeNumber(0, WEIGHT_LIMIT), 1);
  return object({ ...backendFields, weight, ...fields }).superRefine(
    (ref, context) => wantPort(ref as Readonly<Record<string, unknown>>, context),
    ALWAYS,
  );
}

/** The backends of a route for connections. */
export const connectionBackends = list(backendRef({}), "backends", { from: 1, to: 16 });

function wantPort({ group, kind, port }: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const isService = (group === "" && kind === "Service") || kind === "ExternalService";
  if (isService && port === undefined) expect(context, `a port of the ${kind}`, ["port"]);
}

/** An object of the own namespace. */
export const localRef = object({ group: group(), kind: kindName(), name: objectName() });

/** An object of any kind and namespace. */
export const objectRef = object({
  group: group(),
  kind: kindName(),
  name: objectName(),
  namespace: optional(dnsLabel()),
});

/** An object that holds a certificate and its key: a Secret unless it says otherwise. */
export const secretRef = object({
  group: withDefault(group(), ""),
  kind: withDefault(kindName(), "Secret"),
  name: objectName(),
  namespace: optional(dnsLabel()),
});

/** Whether a route is attached to the Gateways that are the default of this scope. */
export const useDefaultGateways = withDefault(z.enum(["All", "None"]), "None");
