import type { ClusterModel } from "../cluster/mod.ts";
import type { ServiceModel } from "../snapshot/mod.ts";
import { type Api, ApiError, type ApiSources, need } from "./api-request.ts";
import type { RevisionResult, ServiceRow, StatusResult, WorkloadRow } from "./client/mod.ts";
import { type Published, sequenceOf } from "./published.ts";
import type { RegistryRow } from "./registry.ts";

/** How things are: status, how far a revision has come, services and workloads. */
export function addState(api: Api, sources: ApiSources): void {
  const { plane } = sources;
  api.get("/v1/status", (c) => {
    need(c.get("caller"), "viewer");
    return c.json(statusOf(sources));
  });
  api.get("/v1/revisions/:revision/status", (c) => {
    need(c.get("caller"), "viewer");
    return c.json(revisionOf(sources, c.req.param("revision")));
  });
  for (const path of ["/v1/services", "/v1/endpoints"])
    api.get(path, (c) => {
      need(c.get("caller"), "viewer");
      return c.json({ services: servicesOf(plane.newest(), plane.registry.rows()) });
    });
  api.get("/v1/workloads", (c) => {
    need(c.get("caller"), "viewer");
    return c.json({ workloads: workloadsOf(sources) });
  });
}

function statusOf({ plane, issuing, software, startedAt }: ApiSources): StatusResult {
  const { trustDomain } = issuing;
  const { problems } = plane.configuration;
  const control = { software, trustDomain, startedAt, revision: plane.revision, problems };
  return { control, proxies: plane.streams.status() };
}

function revisionOf({ plane }: ApiSources, revision: string): RevisionResult {
  const sequence = sequenceOf(revision);
  if (sequence < 0)
    throw new ApiError(400, "malformed", `Cannot read the revision "${revision}": it looks like "12-0a1b2c3d"`);
  if (sequence > sequenceOf(plane.revision))
    throw new ApiError(404, "not_found", `Cannot find revision ${revision}: the newest is ${plane.revision}`);
  return plane.streams.statusOf(revision);
}

function servicesOf(published: Published | null, registered: readonly RegistryRow[]): readonly ServiceRow[] {
  if (published === null) return [];
  const rows: ServiceRow[] = [];
  for (const resource of published.resources.values())
    if (resource.kind === "service") rows.push(serviceRow(resource.model, published, registered));
  return rows;
}

function serviceRow(
  { name, hosts, ports }: ServiceModel,
  { resources }: Published,
  registered: readonly RegistryRow[],
): ServiceRow {
  return {
    name,
    hosts,
    ports: ports.map(({ port, protocol }) => {
      const cluster = resources.get(`cluster/${name}:${port}`)?.model as ClusterModel | undefined;
      const endpoints = (cluster?.endpoints ?? []).map(({ address, port, weight, identity, workload }) => {
        return {
          address,
          port,
          weight,
          identity: identity ?? null,
          workload: `${workload.namespace}/${workload.name}`,
        };
      });
      return { port, protocol, endpoints, confirmedAt: cluster === undefined ? 0 : confirmedAt(cluster, registered) };
    }),
  };
}

/** A set is as fresh as its oldest member; those that are connected are confirmed all the time. */
function confirmedAt(cluster: ClusterModel, registered: readonly RegistryRow[]): number {
  const times = cluster.endpoints.flatMap(({ address, port }) =>
    registered.filter(({ claim }) => claim.address === address && claim.ports.some((own) => own.inboundPort === port)),
  );
  return times.length === 0 ? cluster.confirmedAt : Math.min(...times.map((row) => row.confirmedAt));
}

function workloadsOf({ plane }: ApiSources): readonly WorkloadRow[] {
  return plane.registry.rows().map(({ key, claim, identity, connected, confirmedAt }) => {
    const { service, address, ports, labels } = claim;
    return { key, service, address, identity, ports: ports.map(({ port }) => port), labels, connected, confirmedAt };
  });
}
