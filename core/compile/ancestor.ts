import type { RuleModel } from "../route/mod.ts";
import type { Document } from "../schema/mod.ts";
import type { JudgedPolicy } from "./backend-tls.ts";
import type { CompiledRoute } from "./route.ts";
import { GATEWAY_GROUP } from "./route-document.ts";
import type { ParentReference } from "./status.ts";

type Gateway = Pick<Document, "namespace" | "name">;

/** Gateways of which status tells at most (Gateway API, PolicyStatus). */
const ANCESTOR_LIMIT = 16;

/**
 * Says where a policy for backends counts: at the Gateways whose routes lead
 * to one of them; without any, at the Services themselves, for the mesh.
 */
export function ancestorsBy(
  routes: readonly CompiledRoute[],
  gatewaysOf: (route: Document) => readonly Gateway[],
): (policy: JudgedPolicy) => readonly ParentReference[] {
  const byCluster = new Map<string, Map<string, ParentReference>>();
  for (const compiled of routes)
    for (const { namespace, name } of gatewaysOf(compiled.route))
      for (const cluster of clustersOf(compiled)) {
        const known = byCluster.get(cluster) ?? new Map<string, ParentReference>();
        known.set(`${namespace}/${name}`, { group: GATEWAY_GROUP, kind: "Gateway", namespace, name });
        byCluster.set(cluster, known);
      }
  return (policy) => {
    const found = new Map([...policy.clusters].flatMap((cluster) => [...(byCluster.get(cluster) ?? [])]));
    const gateways = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
    const ancestors = gateways.length > 0 ? gateways : [...policy.services.values()];
    return ancestors.slice(0, ANCESTOR_LIMIT);
  };
}

function clustersOf({ rules, connections }: CompiledRoute): readonly string[] {
  const places = [
    ...rules.flatMap(({ model }) => placesOf(model)),
    ...connections.flatMap(({ model }) => model.backends),
  ];
  return places.flatMap(({ cluster }) => (cluster === null ? [] : wholeOf(cluster)));
}

function placesOf({ backends, mirrors = [] }: Pick<RuleModel, "backends" | "mirrors">) {
  return [...backends, ...mirrors, ...backends.flatMap((backend) => backend.mirrors ?? [])];
}

/** A subset is spoken to as its Service is: `<namespace>/<service>:<port>/<subset>`. */
function wholeOf(cluster: string): string {
  const [namespace, service] = cluster.split("/");
  return `${namespace}/${service}`;
}
