import type { CompiledRule } from "../rule.ts";
import type { Attached } from "./attach.ts";

/** Rules by what they compete for: a host of a listener. In the order that decides between equal matches. */
export function rulesByHost({ at }: Attached): ReadonlyMap<string, readonly CompiledRule[]> {
  const byHost = new Map<string, CompiledRule[]>();
  for (const [{ owner, spec }, attachments] of at)
    for (const { attached, hosts } of attachments)
      for (const host of hosts) {
        const key = `listener ${spec.name} of ${owner.kind} ${owner.namespace}/${owner.name}${host === "" ? "" : ` for ${host}`}`;
        const rules = byHost.get(key);
        if (rules === undefined) byHost.set(key, [...attached.rules]);
        else rules.push(...attached.rules);
      }
  return byHost;
}
