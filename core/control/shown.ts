import { type Document, isKind } from "../schema/mod.ts";
import type { ResourceState } from "./client/mod.ts";

type Json = { readonly [field: string]: unknown };

/** Stands where a value is kept from whoever looks; it is not Base64, so it is never taken back for one. */
const HIDDEN = "(hidden)";

/** Copies of what was applied, as kubectl leaves them. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * A document as it is told: what its author wrote, with the generation, the
 * age and the status that the mesh has given it. What a Secret holds stays
 * hidden but for those who may see it.
 */
export function documentShown(document: Document, status: Json | null, withSecrets: boolean): Json {
  const raw = document.raw as Json;
  const { creationTimestamp, generation } = document.body.metadata;
  const metadata = {
    ...(raw["metadata"] as Json),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(generation === undefined ? {} : { generation }),
  };
  const { status: _written, ...rest } = raw;
  const shown = { ...rest, metadata, ...(status === null ? {} : { status }) };
  return isKind(document, "Secret") && !withSecrets ? withoutValues(shown, Object.keys(document.body.data)) : shown;
}

function withoutValues(secret: Json, keys: readonly string[]): Json {
  const { data: _data, stringData: _text, metadata, ...rest } = secret;
  const { annotations, ...others } = metadata as Json;
  const { [LAST_APPLIED]: _copy, ...kept } = (annotations ?? {}) as Json;
  const shown = annotations === undefined ? others : { ...others, annotations: kept };
  return { ...rest, metadata: shown, data: Object.fromEntries(keys.map((key) => [key, HIDDEN])) };
}

/** What a line of a table tells of a status; null where there is nothing of it. */
export function stateOf(status: Json | null): ResourceState | null {
  if (status === null) return null;
  const { parents, ancestors } = status;
  const entries = Array.isArray(parents) ? parents : Array.isArray(ancestors) ? ancestors : [status];
  if (entries.length === 0) return null;
  const programmed = conditionIn(status, "Programmed");
  const { addresses } = status as { readonly addresses?: readonly { readonly value: string }[] };
  return {
    accepted: shareOf(entries.map((entry: Json) => conditionIn(entry, "Accepted"))),
    ...(programmed === null ? {} : { programmed }),
    ...(addresses === undefined ? {} : { addresses: addresses.map(({ value }) => value) }),
  };
}

/** `True` where it is so everywhere, else how often. */
function shareOf(values: readonly (string | null)[]): string {
  const held = values.filter((value) => value === "True").length;
  if (held === values.length) return "True";
  return held === 0 ? "False" : `${held}/${values.length}`;
}

function conditionIn(status: Json, type: string): string | null {
  const { conditions } = status;
  if (!Array.isArray(conditions)) return null;
  const found = conditions.find((condition: Json) => condition["type"] === type) as Json | undefined;
  return found === undefined ? null : String(found["status"]);
}
