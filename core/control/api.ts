import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { messageOf } from "../base/mod.ts";
import type { Problem } from "../config/mod.ts";
import { addDocuments } from "./api-documents.ts";
import { type Api, type ApiEnv, ApiError, type ApiSources } from "./api-request.ts";
import { addRollouts } from "./api-rollouts.ts";
import { addState } from "./api-state.ts";
import type { ApiTokens, Caller } from "./api-token.ts";
import { addTokens } from "./api-tokens.ts";
import type { ApiFailure } from "./client/mod.ts";

export interface ApiServer {
  readonly hostname: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Documents with modules in base64; a module alone may have 16 MiB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Serves the API on an address. */
export function serveApi(sources: ApiSources, listen: { readonly host: string; readonly port: number }): ApiServer {
  const api = makeApi(sources);
  const server = Bun.serve({
    hostname: listen.host,
    port: listen.port,
    maxRequestBodySize: MAX_BODY_BYTES,
    fetch: (request) => api.fetch(request),
  });
  return {
    hostname: server.hostname ?? listen.host,
    port: server.port ?? listen.port,
    close: () => server.stop(true),
  };
}

/** The API without a socket, for tests. */
export function makeApi(sources: ApiSources): Api {
  const api: Api = new Hono<ApiEnv>();
  api.get("/healthz", (c) => c.text("ok\n"));
  api.get("/v1/ca/bundle", (c) => c.text(sources.issuing.bundle));
  api.use("/v1/*", bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }), async (c, next) => {
    c.set("caller", await callerOf(c.req.header("authorization"), sources.apiTokens));
    await next();
  });
  addDocuments(api, sources);
  addState(api, sources);
  addRollouts(api, sources);
  addTokens(api, sources);
  api.notFound((c) =>
    c.json(failure("not_found", `Cannot find ${c.req.method} ${c.req.path}: the API has no such door`), 404),
  );
  api.onError((error, c) => {
    if (error instanceof ApiError) return c.json(failure(error.code, error.message, error.problems), error.status);
    sources.log.error(`Cannot answer ${c.req.method} ${c.req.path}: ${messageOf(error)}`);
    return c.json(failure("internal", "Cannot answer: the control plane's log says why"), 500);
  });
  return api;
}

async function callerOf(header: string | undefined, tokens: ApiTokens): Promise<Caller> {
  if (header === undefined)
    throw new ApiError(401, "unauthenticated", `Cannot do this without an API token: ${PASS_TOKEN}`);
  const [scheme, token] = header.split(" ");
  const caller = scheme?.toLowerCase() === "bearer" ? await tokens.callerOf(token ?? "") : null;
  if (caller !== null) return caller;
  throw new ApiError(
    401,
    "unauthenticated",
    `Cannot do this: the control plane does not know the API token; ${PASS_TOKEN}`,
  );
}

const PASS_TOKEN = "the first one lies in the file admin.token in the control plane's data directory";

function tooLarge(): never {
  throw new ApiError(413, "too_large", `Cannot take the request: it has more than ${MAX_BODY_BYTES} bytes`);
}

function failure(code: string, message: string, problems: readonly Problem[] | null = null): ApiFailure {
  return { error: { code, message, ...(problems === null ? {} : { problems }) } };
}
