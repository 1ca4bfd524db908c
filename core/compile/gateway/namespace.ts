import type { DocumentOf } from "../../schema/mod.ts";
import type { NamespaceRule, Selector } from "./model.ts";

/** The label that every namespace has, also one of which there is no document. */
const NAME_LABEL = "kubernetes.io/metadata.name";

/** Namespaces with their labels, for rules of who may attach. */
export class Namespaces {
  readonly #labels: ReadonlyMap<string, Readonly<Record<string, string>>>;

  constructor(documents: readonly DocumentOf<"Namespace">[]) {
    this.#labels = new Map(documents.map(({ name, body }) => [name, { ...body.metadata.labels, [NAME_LABEL]: name }]));
  }

  /** True where a rule of something in the namespace `home` lets the namespace in. */
  allows({ from, selector }: NamespaceRule, home: string, namespace: string): boolean {
    if (from === "All") return true;
    if (from === "Same") return namespace === home;
    return from === "Selector" && selector !== undefined && finds(selector, this.#labelsOf(namespace));
  }

  #labelsOf(namespace: string): Readonly<Record<string, string>> {
    return this.#labels.get(namespace) ?? { [NAME_LABEL]: namespace };
  }
}

/** LabelSelector of meta/v1: all of its conditions; an empty one finds everything. */
function finds({ matchLabels, matchExpressions }: Selector, labels: Readonly<Record<string, string>>): boolean {
  const has = (key: string): boolean => Object.hasOwn(labels, key);
  return (
    Object.entries(matchLabels).every(([key, value]) => has(key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      if (operator === "Exists") return has(key);
      if (operator === "DoesNotExist") return !has(key);
      const among = has(key) && values.includes(labels[key]!);
      return operator === "In" ? among : !among;
    })
  );
}
