/**
 * Documents and registrations → the models that proxies run; directories of
 * manifests, read and watched.
 * @module
 */
export { backendCluster } from "./backend.ts";
export { type CompileOptions, compile, isRunnable } from "./compile.ts";
export type { AddressBook } from "./gateway/address.ts";
export type { BoundReport } from "./gateway/bound.ts";
export { SUPPORTED_FEATURES } from "./gateway/feature.ts";
export type { GatewayAddresses } from "./gateway/gateway.ts";
export { type LoadedDirectory, type LoadedFile, loadDirectory } from "./manifest/directory.ts";
export { readPacked } from "./manifest/extism.ts";
export { type LoadedModules, loadModules, type ModuleSources, readBeside } from "./manifest/module.ts";
export { watchDirectory } from "./manifest/watch.ts";
export type { Compiled, Module, RegisteredPort, Registration } from "./model.ts";
export type { Condition, DocumentStatus } from "./status.ts";
export type { Watched } from "./watch/mod.ts";
