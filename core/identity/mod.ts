/**
 * Who a workload is: SPIFFE IDs, SVIDs, trust bundles, the authority.
 * @module
 */
export type { Svid } from "./model.ts";
