/**
 * May this request go on? The policies of a route, in order.
 * @module
 */
export { PolicyFault } from "./fault.ts";
export type { Filterable } from "./filterable.ts";
export { filterRequest, type Permitted } from "./permit.ts";
export { flagOf } from "./refusal.ts";
