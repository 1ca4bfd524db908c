/**
 * The wire: heads, bodies, HTTP/1 codec.
 * @module
 */
export { Field, fieldNamed } from "./field.ts";
export { CHUNKED, Fields, MAX_FIELDS, METHOD_NAMES, Method, RequestHead, ResponseHead, UNTIL_CLOSE } from "./head.ts";
