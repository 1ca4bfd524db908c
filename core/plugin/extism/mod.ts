/**
 * What we share with the Extism project: its manifests, and its own runtime as
 * the reference that ours is compared with. Not for the request path.
 * @module
 */
export { type LoadedManifest, loadManifest, ManifestRejected } from "./manifest.ts";
export { ReferencePlugin } from "./reference.ts";
