import type { ConnectionRuleModel, RuleModel } from "../../route/mod.ts";
import type {
  GatewayListenerModel,
  GatewayModel,
  GatewayPortModel,
  HostRulesModel,
  KeyPairModel,
} from "../../snapshot/mod.ts";
import type { CompiledRule } from "../rule.ts";
import type { Attachment } from "./attach.ts";
import { type GatewayDocument, isServed, type Listener, nameOf, type Transport } from "./model.ts";

/** What runs at a rule beyond what its route says. */
export type Shape = (rule: CompiledRule) => Omit<RuleModel, "order">;

export interface Served {
  readonly gateway: GatewayDocument;
  /** Of the Gateway and of its ListenerSets. */
  readonly listeners: readonly Listener[];
  readonly at: ReadonlyMap<Listener, readonly Attachment[]>;
  readonly addresses: readonly string[];
  readonly backendCertificate: KeyPairModel | null;
  readonly shape: Shape;
}

/** What the proxies of a Gateway run: its sound listeners, with the rules of their routes. */
export function gatewayModel(served: Served): GatewayModel {
  const { gateway, listeners, addresses, backendCertificate } = served;
  const ports = new Map<string, Listener[]>();
  for (const listener of listeners) {
    if (!isServed(listener)) continue;
    const key = `${listener.spec.port} ${listener.transport}`;
    const list = ports.get(key);
    if (list === undefined) ports.set(key, [listener]);
    else list.push(listener);
  }
  return {
    name: nameOf(gateway),
    addresses,
    ports: Array.from(ports.values(), (sharing) => portModel(sharing, served)),
    ...(backendCertificate === null ? {} : { backendCertificate }),
  };
}

function portModel(sharing: readonly Listener[], served: Served): GatewayPortModel {
  const [{ spec, transport }] = sharing as readonly [Listener];
  const listeners = sharing.map((listener) => listenerModel(listener, served));
  return { port: spec.port, transport: transport as Transport, listeners };
}

function listenerModel(listener: Listener, { at, shape }: Served): GatewayListenerModel {
  const { owner, spec, hostname, tls } = listener;
  const attachments = at.get(listener) ?? [];
  return {
    name: `${owner.namespace}/${owner.name}/${spec.name}`,
    hostname,
    ...(tls === null ? {} : { tls }),
    ...(isRead(listener) ? { hosts: hostsOf(attachments, shape) } : { connections: connectionsOf(attachments) }),
  };
}

/** True where requests are read, by the protocol: a TLS listener may have no route that would tell. */
function isRead({ spec }: Listener): boolean {
  return /^https?$/i.test(spec.protocol);
}

/** Routes come in the order that decides between equal matches; that is their rules' order. */
function hostsOf(attachments: readonly Attachment[], shape: Shape): readonly HostRulesModel[] {
  const byHost = new Map<string, RuleModel[]>();
  let order = 0;
  for (const { attached, hosts } of attachments) {
    const rules = attached.rules.map((rule): RuleModel => ({ ...shape(rule), order: order++ }));
    for (const host of hosts) {
      const list = byHost.get(host);
      if (list === undefined) byHost.set(host, [...rules]);
      else list.push(...rules);
    }
  }
  return Array.from(byHost, ([hostname, rules]) => ({ hostname, rules }));
}

function connectionsOf(attachments: readonly Attachment[]): readonly ConnectionRuleModel[] {
  let order = 0;
  return attachments.flatMap(({ attached, hosts }) =>
    attached.connections.map(({ model: { id, backends } }): ConnectionRuleModel => {
      const serverNames = hosts.includes("") ? {} : { serverNames: hosts };
      return { id, order: order++, ...serverNames, backends };
    }),
  );
}
