import type { MatchModel, ValueMatchModel } from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";

type HttpMatch = DocumentOf<"HTTPRoute">["body"]["spec"]["rules"][number]["matches"][number];
type GrpcMatch = DocumentOf<"GRPCRoute">["body"]["spec"]["rules"][number]["matches"][number];

/** Everything a rule would match where its author wrote no match. */
export const ANY: readonly MatchModel[] = [{ path: { type: "PathPrefix", value: "/" } }];

/** A match of an HTTPRoute as the router runs it. */
export function matchOf({ path, method, headers, queryParams }: HttpMatch): MatchModel {
  return {
    path: { type: path.type, value: path.value },
    ...(method === undefined ? {} : { method }),
    ...headersOf(headers),
    ...(queryParams.length === 0 ? {} : { query: queryParams satisfies readonly ValueMatchModel[] }),
  };
}

/** A match of a GRPCRoute: the path of a call is `/service/method`. */
export function grpcMatchOf({ method, headers }: GrpcMatch): MatchModel {
  return { path: callPathOf(method), ...headersOf(headers) };
}

/** Any service, or any method, in a regular expression. */
const ANY_NAME = "[^/]+";

function callPathOf(match: GrpcMatch["method"]): MatchModel["path"] {
  const { type, service = "", method = "" } = match ?? { type: "Exact" };
  if (service === "" && method === "") return { type: "PathPrefix", value: "/" };
  if (type === "Exact" && method === "") return { type: "PathPrefix", value: `/${service}` };
  if (type === "Exact" && service !== "") return { type: "Exact", value: `/${service}/${method}` };
  return { type: "RegularExpression", value: `/${patternOf(service)}/${patternOf(method)}` };
}

/** An alternative must not reach beyond its part of the path, and an anchor means the ends of that part. */
function patternOf(name: string): string {
  return name === "" ? ANY_NAME : `(?:${name.replace(/^\^/, "").replace(/(?<!\\)\$$/, "")})`;
}

function headersOf(headers: HttpMatch["headers"]): Pick<MatchModel, "headers"> {
  return headers.length === 0
    ? {}
    : { headers: headers.map((match) => ({ ...match, name: match.name.toLowerCase() })) };
}
