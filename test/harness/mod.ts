/**
 * What tests are built from: a backend that misbehaves, a client that believes
 * nothing, certificates, the binary, networks, patience.
 * @module
 */
export * from "./backend.ts";
export { binaryPath, type Program, type ProgramOptions, runBinary, startBinary } from "./binary.ts";
export { type Certificates, certificates, type IdentityFiles } from "./certificates.ts";
export { Client, connect, type Request, type Response, request, requestBytes } from "./client.ts";
export { Connection, CutShort, type Ending, open, type Target } from "./connection.ts";
export { buildImage, type ContainerOptions, type Image, withoutContainers } from "./container.ts";
export { eventually, within } from "./eventually.ts";
export { type FakeClock, fakeClock } from "./fake-clock.ts";
export { type Folder, temporaryFolder } from "./folder.ts";
export { commandsOf, follow, type Step } from "./guide.ts";
export { keyPair } from "./key-pair.ts";
export { type Body, chunkOf, type FieldLines, fieldValue, headText, Malformed } from "./message.ts";
export { type Namespace, networkNamespace, withoutNamespaces } from "./namespace.ts";
export { isRoot, lacking, output, testUnless } from "./program.ts";
