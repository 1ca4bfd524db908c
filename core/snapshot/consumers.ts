import type { ServiceModel, ServicePortModel } from "./model.ts";

/**
 * A Service as callers of a namespace know it: the rules that their namespace
 * wrote for itself stand in the place of all others at a port (GAMMA, consumer
 * routes), and those of other namespaces are gone. The same object where no
 * rule has consumers.
 */
export function serviceFor(model: ServiceModel, namespace: string): ServiceModel {
  if (!model.ports.some(hasConsumers)) return model;
  return { ...model, ports: model.ports.map((port) => portFor(port, namespace)) };
}

function hasConsumers({ rules, connections = [] }: ServicePortModel): boolean {
  return [...rules, ...connections].some(({ consumers }) => consumers !== undefined);
}

function portFor(port: ServicePortModel, namespace: string): ServicePortModel {
  const { connections } = port;
  return {
    ...port,
    rules: rulesFor(port.rules, namespace),
    ...(connections === undefined ? {} : { connections: rulesFor(connections, namespace) }),
  };
}

function rulesFor<R extends { readonly consumers?: string }>(rules: readonly R[], namespace: string): readonly R[] {
  const own = rules.filter(({ consumers }) => consumers === namespace);
  return own.length > 0 ? own : rules.filter(({ consumers }) => consumers === undefined);
}
