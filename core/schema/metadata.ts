import type { z } from "zod";
import { dnsLabel, dnsSubdomain, ignored, labels, object, optional, record, text, withDefault } from "./field.ts";

/** The namespace of a document that names none. */
export const DEFAULT_NAMESPACE = "default";

/** What every document carries; the fields that only an API server writes are taken and left alone. */
export function metadata(name: z.ZodType<string> = dnsSubdomain()) {
  return object({
    name,
    namespace: optional(dnsLabel()),
    labels: withDefault(labels(), {}),
    annotations: withDefault(record(text("text (put it in quotes)")), {}),
    creationTimestamp: optional(text("a time like 2026-01-31T12:00:00Z", (time) => !Number.isNaN(Date.parse(time)))),
    generation: ignored(),
    uid: ignored(),
    resourceVersion: ignored(),
    selfLink: ignored(),
    generateName: ignored(),
    managedFields: ignored(),
    ownerReferences: ignored(),
    finalizers: ignored(),
    deletionTimestamp: ignored(),
    deletionGracePeriodSeconds: ignored(),
    clusterName: ignored(),
  });
}
