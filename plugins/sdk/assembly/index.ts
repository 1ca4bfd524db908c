/** What a policy in AssemblyScript imports. */
export { abort } from "./abort";
export { Answer } from "./answer";
export { number, refuse, setting } from "./config";
export { count, rate } from "./counter";
export { JsonReader, quote } from "./json";
export { Request } from "./request";
export { sha256 } from "./sha256";
