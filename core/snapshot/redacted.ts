import type { GatewayListenerModel, GatewayModel, KeyPairModel, Resource } from "./model.ts";

const HIDDEN = "(hidden)";

/** A resource as people may see it: without private keys. */
export function redacted(resource: Resource): Resource {
  return resource.kind === "gateway" ? { ...resource, model: withoutKeys(resource.model) } : resource;
}

function withoutKeys(model: GatewayModel): GatewayModel {
  const { backendCertificate, ports } = model;
  return {
    ...model,
    ports: ports.map((port) => ({ ...port, listeners: port.listeners.map(listenerWithoutKeys) })),
    ...(backendCertificate === undefined ? {} : { backendCertificate: pairWithoutKey(backendCertificate) }),
  };
}

function listenerWithoutKeys(listener: GatewayListenerModel): GatewayListenerModel {
  const { tls } = listener;
  return tls === undefined
    ? listener
    : { ...listener, tls: { ...tls, certificates: tls.certificates.map(pairWithoutKey) } };
}

function pairWithoutKey(pair: KeyPairModel): KeyPairModel {
  return { ...pair, privateKey: HIDDEN };
}
