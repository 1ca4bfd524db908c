import type { RequestHead } from "../http/mod.ts";
import type { HeaderChanges, Plugin, RequestFacts, Verdict } from "../plugin/mod.ts";

/** What the policies see of an exchange, and where they leave what they decide. */
export interface Filterable extends RequestFacts {
  readonly request: RequestHead;
  /** The policies of its route, in the order in which they run. */
  readonly policies: readonly Plugin[];

  /** Header changes for the request as it goes on; null without any. */
  changes: HeaderChanges | null;
  /** Where a policy sends it, in the policy's words; "" leaves it to the rule. */
  destination: string;
  /** The policy that said so: its model maps the words to clusters. */
  router: Plugin | null;
  /** The answer of the policy that refused it. */
  refusal: Verdict | null;
  /** Id of the last policy that decided something, or faulted. */
  policy: string;
  /** Why, for the log. */
  detail: string;
}
