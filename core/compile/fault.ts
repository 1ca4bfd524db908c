import type { FaultModel, MatchModel } from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import { matchOf } from "./match.ts";
import type { Report } from "./report.ts";
import { Attached, placesOf, type Targets } from "./target.ts";

type FaultDocument = DocumentOf<"Fault">;

/** Faults by what they are attached to. */
export function compileFaults(
  documents: readonly FaultDocument[],
  targets: Targets,
  report: Report,
): Attached<FaultModel> {
  const attached = new Attached<FaultModel>();
  for (const document of documents) {
    const model = faultOf(document);
    for (const { key, service, path } of placesOf(document, document.body.spec.targetRefs, targets, report)) {
      if (service?.ports.every(({ protocol }) => protocol !== "http"))
        report.warn(document, [...path, "name"], `must be a Service with an HTTP port: ${service.name} has none`);
      attached.add(key, model);
    }
  }
  return attached;
}

function faultOf({ namespace, name, body }: FaultDocument): FaultModel {
  const { matches, delay, abort } = body.spec;
  return {
    id: `Fault/${namespace}/${name}`,
    ...(matches.length === 0 ? {} : { matches: matches.map(matchOf) satisfies readonly MatchModel[] }),
    ...(delay === undefined ? {} : { delay: { ms: delay.fixed, fraction: delay.percent / 100 } }),
    ...(abort === undefined
      ? {}
      : {
          abort: {
            ...(abort.status === undefined ? {} : { status: abort.status }),
            ...(abort.grpcStatus === undefined ? {} : { grpcStatus: abort.grpcStatus }),
            fraction: abort.percent / 100,
          },
        }),
  };
}
