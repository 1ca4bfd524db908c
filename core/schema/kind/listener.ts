import { z } from "zod";
import { distinct, expect, object, optional, port, text, withDefault } from "../field.ts";
import { GATEWAY_GROUP, group, hostname, kindName, list, namespaces, options, sectionName } from "./gateway-field.ts";
import { secretRef } from "./reference.ts";

const PROTOCOL =
  /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/;
const PROTOCOL_LIMIT = 255;

/** What is not known here is for the one who serves it to judge. */
const protocol = () =>
  text(
    'a protocol like HTTP, HTTPS, TLS, TCP, UDP or "example.com/own"',
    (name) => name.length <= PROTOCOL_LIMIT && PROTOCOL.test(name),
  );

const CERTIFICATE_LIMIT = 64;

const tls = object({
  mode: withDefault(z.enum(["Terminate", "Passthrough"]), "Terminate"),
  certificateRefs: withDefault(list(secretRef, "certificates", { to: CERTIFICATE_LIMIT }), []),
  options: withDefault(options(), {}),
}).superRefine(({ mode, certificateRefs, options }, context) => {
  if (mode === "Terminate" && certificateRefs.length === 0 && Object.keys(options).length === 0)
    expect(context, "a list of certificates, as TLS is terminated", ["certificateRefs"]);
});

const routeKind = object({ group: withDefault(group(), GATEWAY_GROUP), kind: kindName() });

const allowedRoutes = object({
  namespaces: withDefault(namespaces(withDefault(z.enum(["All", "Selector", "Same"]), "Same")), {
    from: "Same",
    selector: undefined,
  }),
  /** Empty: those of the protocol. */
  kinds: withDefault(list(routeKind, "kinds", { to: 8 }), []),
});

const listener = object({
  name: sectionName(),
  hostname: optional(hostname()),
  port: port(),
  protocol: protocol(),
  tls: optional(tls),
  allowedRoutes: withDefault(allowedRoutes, {
    namespaces: { from: "Same", selector: undefined },
    kinds: [],
  }),
}).superRefine(({ hostname, protocol, tls }, context) => {
  const spoken = protocol.toUpperCase();
  if (tls !== undefined && ["HTTP", "TCP", "UDP"].includes(spoken))
    expect(context, `left out: the protocol is ${protocol}`, ["tls"]);
  if (spoken === "HTTPS" && tls?.mode === "Passthrough")
    expect(context, "Terminate, as the protocol is HTTPS", ["tls", "mode"]);
  if (spoken === "TLS" && tls === undefined) expect(context, "what is done with TLS, as the protocol is TLS", ["tls"]);
  if (hostname !== undefined && ["TCP", "UDP"].includes(spoken))
    expect(context, `left out: the protocol is ${protocol}`, ["hostname"]);
});

const LISTENER_LIMIT = 64;

/** The listeners of a Gateway or of a ListenerSet. */
export const listeners = distinct(
  list(listener, "listeners", { from: 1, to: LISTENER_LIMIT }).superRefine((all, context) => {
    const seen = new Set<string>();
    for (const [i, { port, protocol, hostname }] of all.entries()) {
      const key = `${port} ${protocol} ${hostname ?? ""}`;
      if (seen.has(key)) expect(context, "a listener whose port, protocol and hostname no other has together", [i]);
      seen.add(key);
    }
  }),
  "name",
);
