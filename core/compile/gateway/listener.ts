import type { GatewayTlsModel, KeyPairModel } from "../../snapshot/mod.ts";
import { GATEWAY_GROUP } from "../route-document.ts";
import { conflictsAmong, overlapsAmong } from "./conflict.ts";
import {
  type GatewayDocument,
  type Listener,
  type ListenerSetDocument,
  type ListenerSpec,
  PROTOCOLS,
  type Problem,
  protocolOf,
  type RouteKind,
} from "./model.ts";
import type { Certificates } from "./reference.ts";

type Validation = NonNullable<
  NonNullable<NonNullable<GatewayDocument["body"]["spec"]["tls"]>["frontend"]>["default"]["validation"]
>;

/**
 * The listeners of a Gateway and of the ListenerSets it takes in, judged
 * together: the Gateway's own first, then those of the sets in their order.
 */
export function judgeListeners(
  gateway: GatewayDocument,
  sets: readonly ListenerSetDocument[],
  certificates: Certificates,
): readonly (readonly Listener[])[] {
  const owners = [gateway, ...sets];
  const claims = owners.map(({ body }) => body.spec.listeners.map(claimOf));
  const conflicts = conflictsAmong(claims);
  const distinct = claims.flatMap((group, o) => group.filter((_, i) => conflicts[o]![i] === null));
  const overlaps = overlapsAmong(distinct);
  const overlapping = new Set(distinct.filter((_, i) => overlaps[i]));
  const judging = new Judging(gateway, certificates);
  return owners.map((owner, o) =>
    owner.body.spec.listeners.map((spec, index): Listener => {
      const claim = claims[o]![index]!;
      return {
        ...{ owner, index, spec, hostname: claim.hostname, transport: claim.transport },
        ...{ conflict: conflicts[o]![index]!, overlaps: overlapping.has(claim) },
        ...judging.judge(owner, spec),
      };
    }),
  );
}

function claimOf(spec: ListenerSpec) {
  const protocol = protocolOf(spec);
  const transport = protocol === null ? null : PROTOCOLS[protocol].transport;
  return { transport, port: spec.port, hostname: (spec.hostname ?? "").toLowerCase() };
}

type Judged = Pick<Listener, "kinds" | "tls" | "unresolved" | "refused">;

class Judging {
  readonly #gateway: GatewayDocument;
  readonly #certificates: Certificates;
  /** What clients of a port are asked for, by what the Gateway says of it. */
  readonly #clients = new Map<Validation, ReturnType<Certificates["roots"]>>();

  constructor(gateway: GatewayDocument, certificates: Certificates) {
    this.#gateway = gateway;
    this.#certificates = certificates;
  }

  judge(owner: GatewayDocument | ListenerSetDocument, spec: ListenerSpec): Judged {
    const { kinds, problem: invalidKinds } = kindsOf(spec);
    const protocol = protocolOf(spec);
    if (protocol === null || PROTOCOLS[protocol].transport !== "tls")
      return { kinds, tls: null, unresolved: invalidKinds, refused: null };
    if (spec.tls === undefined) {
      const message = "The protocol needs a tls section with a certificate";
      return { kinds, tls: null, unresolved: { reason: "InvalidCertificateRef", message }, refused: null };
    }
    if (spec.tls.mode === "Passthrough")
      return { kinds, tls: { mode: "Passthrough", certificates: [] }, unresolved: invalidKinds, refused: null };
    const { pairs, problem } = this.#certificates.pairs(owner, spec.tls.certificateRefs);
    const clients = protocol === "HTTPS" ? this.#clientsAt(spec.port) : null;
    return {
      kinds,
      tls: terminated(pairs, clients),
      unresolved: problem ?? noCertificate(pairs) ?? clients?.problem ?? invalidKinds,
      refused: noRoots(clients),
    };
  }

  /** How clients of a port prove themselves; null where they need not. */
  #clientsAt(port: number): Clients | null {
    const frontend = this.#gateway.body.spec.tls?.frontend;
    const own = frontend?.perPort.find((entry) => entry.port === port);
    const validation = own === undefined ? frontend?.default.validation : own.tls.validation;
    if (validation === undefined) return null;
    const known = this.#clients.get(validation);
    const found = known ?? this.#certificates.roots(this.#gateway, validation.caCertificateRefs);
    this.#clients.set(validation, found);
    return { ...found, mode: validation.mode };
  }
}

interface Clients {
  readonly roots: string;
  readonly mode: Validation["mode"];
  readonly problem: Problem | null;
}

function terminated(certificates: readonly KeyPairModel[], clients: Clients | null): GatewayTlsModel | null {
  if (certificates.length === 0) return null;
  if (clients === null) return { mode: "Terminate", certificates };
  return { mode: "Terminate", certificates, clients: { roots: clients.roots, mode: clients.mode } };
}

function noCertificate(pairs: readonly KeyPairModel[]): Problem | null {
  if (pairs.length > 0) return null;
  return { reason: "InvalidCertificateRef", message: "TLS is terminated here and no certificate is named" };
}

function noRoots(clients: Clients | null): Problem | null {
  if (clients === null || clients.roots !== "") return null;
  const message = clients.problem?.message ?? "There is no authority to check clients with";
  return { reason: "NoValidCACertificate", message };
}

/** The kinds of routes a listener takes: those of its protocol, or of these the ones it names. */
function kindsOf(spec: ListenerSpec): { readonly kinds: readonly RouteKind[]; readonly problem: Problem | null } {
  const protocol = protocolOf(spec);
  const known: readonly RouteKind[] = protocol === null ? [] : PROTOCOLS[protocol].kinds;
  const named = spec.allowedRoutes.kinds;
  if (named.length === 0 || protocol === null) return { kinds: known, problem: null };
  const kinds = known.filter((own) => named.some(({ group, kind }) => group === GATEWAY_GROUP && kind === own));
  const strangers = named.filter(({ group, kind }) => group !== GATEWAY_GROUP || !known.some((own) => own === kind));
  if (strangers.length === 0) return { kinds, problem: null };
  const names = strangers.map(({ group, kind }) => `${kind} of ${group}`).join(", ");
  return { kinds, problem: { reason: "InvalidRouteKinds", message: `${protocol} takes no ${names}` } };
}
