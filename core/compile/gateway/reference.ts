import type { DocumentOf } from "../../schema/mod.ts";
import type { KeyPairModel } from "../../snapshot/mod.ts";
import type { ReferenceGrants } from "../reference.ts";
import { GATEWAY_GROUP } from "../route-document.ts";
import { type JudgedPair, type JudgedRoots, judgePair, judgeRoots } from "./certificate.ts";
import type { Problem, SecretRef } from "./model.ts";

/** Where references of Gateways lead. */
export interface Referents {
  secret(namespace: string, name: string): DocumentOf<"Secret"> | null;
  configMap(namespace: string, name: string): DocumentOf<"ConfigMap"> | null;
  readonly grants: ReferenceGrants;
}

type Referrer = { readonly kind: string; readonly namespace: string };
type RootsRef = Pick<SecretRef, "group" | "kind" | "namespace" | "name">;

/** Certificates of Secrets and authorities of ConfigMaps, each read once. */
export class Certificates {
  readonly #referents: Referents;
  readonly #pairs = new Map<object, JudgedPair>();
  readonly #roots = new Map<object, JudgedRoots>();

  constructor(referents: Referents) {
    this.#referents = referents;
  }

  /** The certificates that references lead to, and the first reason why one does not. */
  pairs(
    from: Referrer,
    refs: readonly SecretRef[],
  ): { readonly pairs: readonly KeyPairModel[]; readonly problem: Problem | null } {
    const found = refs.map((ref) => this.#pair(from, ref));
    const pairs = found.flatMap((one) => ("pair" in one ? one.pair : []));
    const problem = found.find((one) => "reason" in one) ?? null;
    return { pairs, problem };
  }

  /** The authorities that references lead to, as one bundle; empty where none does. */
  roots(from: Referrer, refs: readonly RootsRef[]): { readonly roots: string; readonly problem: Problem | null } {
    const found = refs.map((ref) => this.#bundle(from, ref));
    const roots = found.flatMap((one) => ("roots" in one ? one.roots.trimEnd() : []));
    const problem = found.find((one) => "reason" in one) ?? null;
    return { roots: roots.length === 0 ? "" : `${roots.join("\n")}\n`, problem };
  }

  #pair(from: Referrer, ref: SecretRef): { readonly pair: KeyPairModel } | Problem {
    const reason = "InvalidCertificateRef";
    const namespace = ref.namespace ?? from.namespace;
    const name = `${namespace}/${ref.name}`;
    const denied = this.#denied(from, ref, namespace);
    if (denied !== null) return denied;
    if (ref.group !== "" || ref.kind !== "Secret") return { reason, message: `${ref.kind} ${name} is not a Secret` };
    const secret = this.#referents.secret(namespace, ref.name);
    if (secret === null) return { reason, message: `There is no Secret ${name}` };
    const judged = memo(this.#pairs, secret, () => judgePair(secret.body.data));
    return "pair" in judged ? judged : { reason, message: `Secret ${name} cannot be used: ${judged.problem}` };
  }

  #bundle(from: Referrer, ref: RootsRef): { readonly roots: string } | Problem {
    const reason = "InvalidCACertificateRef";
    const namespace = ref.namespace ?? from.namespace;
    const name = `${namespace}/${ref.name}`;
    if (ref.group !== "" || ref.kind !== "ConfigMap")
      return { reason: "InvalidCACertificateKind", message: `${ref.kind} ${name} is not a ConfigMap` };
    const denied = this.#denied(from, ref, namespace);
    if (denied !== null) return denied;
    const found = this.#referents.configMap(namespace, ref.name);
    if (found === null) return { reason, message: `There is no ConfigMap ${name}` };
    const judged = memo(this.#roots, found, () => judgeRoots(found.body.data));
    return "roots" in judged ? judged : { reason, message: `ConfigMap ${name} cannot be used: ${judged.problem}` };
  }

  /** Another namespace must have agreed before it is told whether something is there. */
  #denied(from: Referrer, { group, kind, name }: RootsRef, namespace: string): Problem | null {
    const referrer = { group: GATEWAY_GROUP, kind: from.kind, namespace: from.namespace };
    if (this.#referents.grants.permits(referrer, { group, kind, namespace, name })) return null;
    const message = `No ReferenceGrant in ${namespace} lets a ${from.kind} of ${from.namespace} refer to ${kind} ${name}`;
    return { reason: "RefNotPermitted", message };
  }
}

function memo<T>(known: Map<object, T>, of: object, judge: () => T): T {
  const found = known.get(of);
  if (found !== undefined) return found;
  const judged = judge();
  known.set(of, judged);
  return judged;
}
