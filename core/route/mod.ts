/**
 * Which rule does a request match? Pure, no I/O.
 * @module
 */
export { ByteTable, type ByteTableOptions } from "./byte-table.ts";
export { ConnectionRules } from "./connection-rules.ts";
export { compileEdits, HeaderEdits, type HeaderLine, InvalidHeaderEdit } from "./edits.ts";
export { Fault } from "./fault.ts";
export type { Cors } from "./filter/cors.ts";
export { WHOLE_PATH } from "./filter/path-change.ts";
export type { Entrance, Redirect } from "./filter/redirect.ts";
export type { Rewrite } from "./filter/rewrite.ts";
export { HostChain, HostLink } from "./host-chain.ts";
export { HostTable } from "./host-table.ts";
export type { Mirror } from "./mirror.ts";
export type {
  BackendModel,
  ConnectionRuleModel,
  CorsModel,
  FaultModel,
  FiltersModel,
  HeaderEditsModel,
  HedgeModel,
  MatchModel,
  MirrorModel,
  PathChangeModel,
  RedirectModel,
  RetryCondition,
  RetryModel,
  RewriteModel,
  RuleModel,
  SessionModel,
  ValueMatchModel,
} from "./model.ts";
export { PathScan } from "./path.ts";
export { Pattern } from "./pattern.ts";
export { InvalidPattern } from "./pattern-parse.ts";
export type { RetryPolicy } from "./retry-policy.ts";
export { prefixLengthOf, type RouteMatch, Router } from "./router.ts";
export { Rule, RuleBackend, type RuleParts } from "./rule.ts";
export type { Session, SessionToken } from "./session.ts";
