/**
 * The kinds users write: schemas, documents, problems with line and column.
 * @module
 */
export { type DocumentRow, describe } from "./describe.ts";
export { type Document, type DocumentOf, documentKey, isKind, type Place } from "./document.ts";
export { DEFAULT_TRUST_DOMAIN } from "./kind/mesh.ts";
export { PLUGIN_PHASES, type PluginPhase } from "./kind/plugin.ts";
export { type Body, isNamespaced, KIND_NAMES, type KindName } from "./kinds.ts";
export { DEFAULT_NAMESPACE } from "./metadata.ts";
export { type ParsedDocuments, parseDocuments, parseText, type SourceText } from "./parse.ts";
