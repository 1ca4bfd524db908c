import { stringify } from "yaml";

/** A Kubernetes document, as far as the harness looks into it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Documents of a text, as they stand but for what the run fills in: `{GATEWAY_CLASS_NAME}` and the like. */
export function manifestsIn(text: string, fill: (name: string) => string): readonly Manifest[] {
  const filled = text.replace(/\{([A-Z][A-Z_]+(?: [^{}\n]+)?)\}/g, (_, name: string) => fill(name));
  const parsed = Bun.YAML.parse(filled) as Manifest | readonly (Manifest | null)[] | null;
  return [parsed].flat().filter((each): each is Manifest => each !== null && typeof each === "object");
}

/** One text for `apply`. */
export function textOf(manifests: readonly object[]): string {
  return manifests.map((each) => stringify(each, { aliasDuplicateObjects: false })).join("---\n");
}

/** A document by what a test calls it: `Kind name` or `Kind namespace/name`. */
export interface Reference {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Where tests live unless they say otherwise. */
export const INFRA = "gateway-conformance-infra";
/** Where the backends of the mesh live. */
export const MESH = "gateway-conformance-mesh";
const CLUSTER_KINDS = ["GatewayClass", "Namespace"];

export function referenceOf(text: string): Reference {
  const [kind = "", path = ""] = text.split(" ");
  const [name = "", namespace = INFRA] = path.split("/").toReversed();
  return { kind, namespace: CLUSTER_KINDS.includes(kind) ? "" : namespace, name };
}

export function referenceTo({ kind, metadata }: Manifest): Reference {
  const namespace = CLUSTER_KINDS.includes(kind) ? "" : (metadata.namespace ?? "default");
  return { kind, namespace, name: metadata.name };
}
