/**
 * May this request go on? The filterRequest stage: Routed → Permitted.
 * @module
 */
export { filterRequest, type Permitted, type Routed } from "./permit.ts";
export { PolicyFault, type Refusal } from "./refusal.ts";
