import type { RuleModel } from "../../core/route/mod.ts";
import type { GatewayListenerModel, GatewayModel, GatewayPortModel, Resource } from "../../core/snapshot/mod.ts";

/** A rule toward `default/web` that takes a prefix. */
export function webRule(id: string, prefix = "/", rule: Partial<RuleModel> = {}): RuleModel {
  return {
    id,
    matches: [{ path: { type: "PathPrefix", value: prefix } }],
    order: 0,
    policies: [],
    backends: [{ cluster: "default/web:80", name: "web", weight: 1 }],
    ...rule,
  };
}

/** A listener for a host, whose rules take what their hosts say. */
export function listenerModel(
  name: string,
  hostname: string,
  hosts: Readonly<Record<string, readonly RuleModel[]>>,
  more: Partial<GatewayListenerModel> = {},
): GatewayListenerModel {
  const found = Object.entries(hosts).map(([host, rules]) => ({ hostname: host, rules }));
  return { name: `default/edge/${name}`, hostname, hosts: found, ...more };
}

/** The gateway `default/edge`. */
export function gatewayResource(
  ports: readonly GatewayPortModel[],
  more: Partial<GatewayModel> = {},
): Extract<Resource, { kind: "gateway" }> {
  const model = { name: "default/edge", addresses: [], ports, ...more };
  return { kind: "gateway", name: model.name, version: JSON.stringify(model), model };
}
