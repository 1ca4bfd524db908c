import { DNS_LABEL, isDnsLabel, isDnsSubdomain } from "../config/mod.ts";
import { type Api, ApiError, type ApiSources, need, readBody } from "./api-request.ts";
import { type ApiTokenRecord, isRole, ROLES } from "./api-token.ts";
import type {
  ApiTokenRow,
  JoinTokenRow,
  NewApiTokenResult,
  NewJoinTokenRequest,
  NewJoinTokenResult,
} from "./client/mod.ts";
import { JOIN_TOKEN_TTL_MS, type JoinTokenRecord, type NewJoinToken } from "./join-token.ts";
import { ALL_GATEWAYS } from "./need.ts";

/** A year: a token for longer is a password nobody remembers giving out. */
const MAX_TTL_MS = 365 * 24 * 3_600_000;
const MAX_USES = 1_000_000;

/** Join tokens for proxies, and tokens of this API. */
export function addTokens(api: Api, sources: ApiSources): void {
  addJoinTokens(api, sources);
  addApiTokens(api, sources);
}

function addJoinTokens(api: Api, { plane, audit }: ApiSources): void {
  api.post("/v1/tokens", async (c) => {
    need(c.get("caller"), "operator");
    const wanted = readNewJoinToken(await readBody<NewJoinTokenRequest>(c.req));
    // Whoever serves a Gateway has its keys, which are otherwise for administrators.
    if ((wanted.gateways ?? []).length > 0) need(c.get("caller"), "admin");
    const { record, token } = await plane.createJoinToken(wanted, c.get("caller").name);
    const { gateways = [] } = record;
    const serves = gateways.length === 0 ? "" : ` and Gateways ${gateways.join(", ")}`;
    const target = `${record.id} for ${record.namespace}/${record.name}${serves}`;
    await audit.write({ who: c.get("caller").name, action: "create join token", target });
    return c.json({ ...joinTokenRow(record), token } satisfies NewJoinTokenResult, 201);
  });
  api.get("/v1/tokens", async (c) => {
    need(c.get("caller"), "operator");
    return c.json({ tokens: (await plane.joinTokens.list()).map(joinTokenRow) });
  });
  api.delete("/v1/tokens/:id", async (c) => {
    need(c.get("caller"), "operator");
    const id = c.req.param("id");
    if (!(await plane.joinTokens.delete(id))) throw noSuchToken(id);
    await audit.write({ who: c.get("caller").name, action: "delete join token", target: id });
    return c.json({ deleted: id });
  });
}

function addApiTokens(api: Api, { apiTokens, audit }: ApiSources): void {
  api.post("/v1/api-tokens", async (c) => {
    need(c.get("caller"), "admin");
    const { name, role } = await readBody<{ name: string; role: string }>(c.req);
    if (typeof name !== "string" || !isDnsLabel(name))
      throw new ApiError(400, "malformed", `Cannot make an API token: its name must be ${DNS_LABEL}`);
    if (!isRole(role))
      throw new ApiError(400, "malformed", `Cannot make an API token: its role must be ${ROLES.join(", ")}`);
    const { record, token } = await apiTokens.create(name, role);
    await audit.write({
      who: c.get("caller").name,
      action: "create API token",
      target: `${record.id} ${name} ${role}`,
    });
    return c.json({ ...apiTokenRow(record), token } satisfies NewApiTokenResult, 201);
  });
  api.get("/v1/api-tokens", async (c) => {
    need(c.get("caller"), "admin");
    return c.json({ tokens: (await apiTokens.list()).map(apiTokenRow) });
  });
  api.delete("/v1/api-tokens/:id", async (c) => {
    need(c.get("caller"), "admin");
    const id = c.req.param("id");
    if (id === c.get("caller").tokenId)
      throw new ApiError(409, "in_use", "Cannot delete the API token that asks for it: use another one");
    if (!(await apiTokens.delete(id))) throw noSuchToken(id);
    await audit.write({ who: c.get("caller").name, action: "delete API token", target: id });
    return c.json({ deleted: id });
  });
}

function readNewJoinToken(body: Partial<NewJoinTokenRequest>): NewJoinToken {
  const { namespace, name, ttlMs = JOIN_TOKEN_TTL_MS, uses = 1, gateways = [] } = body;
  if (!isDnsLabel(namespace)) throw malformed("namespace", DNS_LABEL);
  if (!isDnsLabel(name)) throw malformed("name", DNS_LABEL);
  if (!isWhole(ttlMs, 1, MAX_TTL_MS)) throw malformed("ttlMs", `a whole number from 1 to ${MAX_TTL_MS}`);
  if (!isWhole(uses, 0, MAX_USES)) throw malformed("uses", `a whole number from 0 to ${MAX_USES}`);
  if (!Array.isArray(gateways) || !gateways.every(isGatewayName)) throw malformed("gateways", GATEWAY_NAMES);
  return { namespace, name, ttlMs, uses, gateways };
}

const GATEWAY_NAMES = 'a list of names like "default/edge", or of "*"';

function isGatewayName(name: unknown): name is string {
  if (typeof name !== "string") return false;
  const parts = name.split("/");
  return name === ALL_GATEWAYS || (parts.length === 2 && parts.every(isDnsSubdomain));
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

function malformed(field: string, expected: string): ApiError {
  return new ApiError(400, "malformed", `Cannot make a join token: its ${field} must be ${expected}`);
}

function noSuchToken(id: string): ApiError {
  return new ApiError(404, "not_found", `Cannot delete token ${id}: there is none, or it has expired`);
}

function joinTokenRow({ hash: _, ...row }: JoinTokenRecord): JoinTokenRow {
  return row;
}

function apiTokenRow({ hash: _, ...row }: ApiTokenRecord): ApiTokenRow {
  return row;
}
