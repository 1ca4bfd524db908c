/**
 * The process that compiles a directory for a proxy that serves from files,
 * with the libraries that the proxy itself is spared.
 * @module
 */
export { compileDirectory } from "./compile.ts";
export { encodeCompiled } from "./message.ts";
