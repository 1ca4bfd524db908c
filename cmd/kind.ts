import { nearest } from "../core/config/mod.ts";
import { isNamespaced, KIND_NAMES, type KindName } from "../core/schema/mod.ts";
import { type Flag, text, withDefault } from "./flag.ts";
import { Usage } from "./usage.ts";

/** Other names for kinds that are typed often. */
const SHORT: Readonly<Record<string, KindName>> = {
  svc: "Service",
  cm: "ConfigMap",
  ns: "Namespace",
  gc: "GatewayClass",
  gtw: "Gateway",
  lset: "ListenerSet",
  route: "HTTPRoute",
  refgrant: "ReferenceGrant",
  btlspolicy: "BackendTLSPolicy",
  wl: "Workload",
  tp: "TrafficPolicy",
};

/** The kind that a word means: any case, singular or plural, or a short name. */
export function kindOf(word: string, verb: string): KindName {
  const typed = word.toLowerCase();
  for (const spelling of [typed, typed.replace(/s$/, ""), typed.replace(/es$/, ""), typed.replace(/ies$/, "y")]) {
    const kind = SHORT[spelling] ?? KIND_NAMES.find((name) => name.toLowerCase() === spelling);
    if (kind !== undefined) return kind;
  }
  const meant = nearest(word, KIND_NAMES);
  const hint = meant === null ? `the kinds are ${KIND_NAMES.join(", ")}` : `did you mean ${meant}?`;
  throw new Usage(`"${word}" is no kind; ${hint}`, verb);
}

/** The namespace of a kind's documents in requests: empty for kinds without one. */
export function namespaceFor(kind: KindName, namespace: string): string {
  return isNamespaced(kind) ? namespace : "";
}

export function namespaceFlag(about = "namespace of the documents"): Flag<string> {
  return withDefault(text({ short: "n", hint: "NAMESPACE", about }), "default");
}
