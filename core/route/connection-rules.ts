import { latin1 } from "../base/mod.ts";
import { HostTable } from "./host-table.ts";
import type { ConnectionRuleModel, RuleModel } from "./model.ts";
import type { Rule } from "./rule.ts";

/**
 * The rules of a port whose connections are not read: the most specific server
 * name wins, then the order of the rules. Immutable.
 */
export class ConnectionRules {
  /** Some rule asks for a server name: the ClientHello must be read first. */
  readonly needsServerName: boolean;
  readonly #names: HostTable<Rule>;
  /** Takes what no server name is known of, and what has none. */
  readonly #any: Rule | null;

  /** @param make makes a rule ready. */
  constructor(models: readonly ConnectionRuleModel[], make: (model: RuleModel) => Rule, seed: number) {
    const sorted = models.toSorted((a, b) => a.order - b.order);
    const rules = sorted.map((model) => ({ model, rule: make(ruleModelOf(model)) }));
    const named = rules.flatMap(({ model, rule }) => (model.serverNames ?? []).map((name) => [name, rule] as const));
    this.needsServerName = named.length > 0;
    this.#names = new HostTable(named, seed);
    this.#any = rules.find(({ model }) => model.serverNames === undefined)?.rule ?? null;
    Object.freeze(this);
  }

  /** The rule of a connection; null without one. `serverName` is in lower case, "" where the client named none. */
  find(serverName: string): Rule | null {
    if (serverName === "") return this.#any;
    const bytes = latin1(serverName);
    return this.#names.get(bytes, 0, bytes.length) ?? this.#any;
  }
}

/** What is the same for requests: an id, and backends by weight. */
function ruleModelOf({ id, order, backends }: ConnectionRuleModel): RuleModel {
  return { id, order, backends, matches: [], policies: [], requestTimeoutMs: 0 };
}
