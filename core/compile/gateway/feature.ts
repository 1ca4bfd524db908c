/**
 * What the mesh does of Gateway API beyond what its conformance profiles call
 * for by themselves, in the names of the features; sorted. Status tells
 * exactly these.
 */
export const SUPPORTED_FEATURES: readonly string[] = ["Gateway", "HTTPRoute", "ReferenceGrant"];
