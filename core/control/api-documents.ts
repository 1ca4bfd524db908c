import type { Context } from "hono";
import { hasErrors } from "../config/mod.ts";
import { type Document, describe, documentKey, isNamespaced, KIND_NAMES } from "../schema/mod.ts";
import { type Api, type ApiEnv, ApiError, type ApiSources, need, readBody } from "./api-request.ts";
import type {
  ApplyRequest,
  ApplyResult,
  DeleteResult,
  ResourceDetail,
  ResourceRow,
  ResourceState,
} from "./client/mod.ts";
import type { Outcome, Submission } from "./configuration.ts";
import { documentShown, stateOf } from "./shown.ts";

/** Documents in and out: apply, validate, get, delete. */
export function addDocuments(api: Api, sources: ApiSources): void {
  api.post("/v1/apply", async (c) => {
    const dryRun = c.req.query("dryRun") === "true";
    need(c.get("caller"), dryRun ? "viewer" : "operator");
    return c.json(await submit(c, sources, dryRun));
  });
  api.post("/v1/validate", async (c) => {
    need(c.get("caller"), "viewer");
    return c.json(await submit(c, sources, true));
  });
  api.get("/v1/resources/:kind?/:namespace?/:name?", async (c) => {
    const secrets = c.req.query("secrets") === "true";
    need(c.get("caller"), secrets ? "admin" : "viewer");
    const shown = show(sources, c.req.param(), secrets);
    if (secrets && "document" in shown)
      await sources.audit.write({ who: c.get("caller").name, action: "show secret", target: targetOf(shown) });
    return c.json(shown);
  });
  api.delete("/v1/resources/:kind/:namespace/:name?", async (c) => {
    need(c.get("caller"), "operator");
    return c.json(await remove(c, sources));
  });
}

function targetOf({ kind, namespace, name }: ResourceRow): string {
  return [kind, namespace, name].filter((part) => part !== "").join("/");
}

async function submit(c: Context<ApiEnv>, sources: ApiSources, dryRun: boolean): Promise<ApplyResult> {
  const { plane, audit } = sources;
  const outcome = await plane.configuration.submit(await submissionOf(c), !dryRun);
  if (!outcome.accepted) throw refused(outcome);
  const revision = dryRun ? plane.revision : await plane.settle();
  if (!dryRun)
    await audit.write({ who: c.get("caller").name, action: "apply", target: outcome.keys.join(" "), revision });
  return { revision, documents: outcome.keys, problems: outcome.problems, dryRun };
}

/** YAML as it stands, or JSON with several files and the modules they name. */
async function submissionOf(c: Context<ApiEnv>): Promise<Submission> {
  const type = c.req.header("content-type") ?? "";
  if (!type.includes("json")) return { texts: [{ file: "request", text: await c.req.text() }], module: () => null };
  const { files, modules = [] } = await readBody<ApplyRequest>(c.req);
  const sound =
    Array.isArray(files) && files.every(({ file, text }) => typeof file === "string" && typeof text === "string");
  if (!sound || !Array.isArray(modules))
    throw new ApiError(400, "malformed", "Cannot read the request: it needs files, each with a file name and its text");
  return {
    texts: files,
    module(file, path) {
      const found = modules.find((module) => module.file === file && module.path === path);
      return found === undefined ? null : Buffer.from(String(found.bytes), "base64");
    },
  };
}

function refused({ problems }: Outcome): ApiError {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const message = `Cannot apply: ${errors} ${errors === 1 ? "problem" : "problems"} found, nothing was changed`;
  return new ApiError(422, "invalid", message, problems);
}

type Asked = Readonly<Record<"kind" | "namespace" | "name", string | undefined>>;

/** A list, or one document where the name is given, or the last of two parts is the name of a kind without namespace. */
function show(
  { plane }: ApiSources,
  { kind, namespace, name }: Asked,
  secrets: boolean,
): { resources: ResourceRow[] } | ResourceDetail {
  const { documents } = plane.configuration;
  const ofKind = documents.filter((document) => kind === undefined || isKindCalled(document, kind));
  const statusOf = (document: Document) => plane.statuses.of(documentKey(document));
  const row = (document: Document): ResourceRow =>
    rowOf(document, plane.configuration.isApplied(document), stateOf(statusOf(document)));
  if (namespace === undefined) return { resources: ofKind.map(row) };
  const found = ofKind.find((document) => isCalled(document, namespace, name));
  if (found !== undefined) return { ...row(found), document: documentShown(found, statusOf(found), secrets) };
  if (name === undefined && !isOfCluster(kind ?? ""))
    return { resources: ofKind.filter((document) => document.namespace === namespace).map(row) };
  const text = name === undefined ? namespace : `${namespace}/${name}`;
  throw new ApiError(404, "not_found", `Cannot find ${kind} ${text}: no such document runs`);
}

async function remove(c: Context<ApiEnv>, { plane, audit }: ApiSources): Promise<DeleteResult> {
  const { kind = "", namespace = "", name } = c.req.param();
  const { configuration } = plane;
  const found = configuration.documents.find(
    (document) => isKindCalled(document, kind) && isCalled(document, namespace, name),
  );
  const text = [kind, namespace, name].filter((part) => part !== undefined).join("/");
  if (found === undefined) throw new ApiError(404, "not_found", `Cannot delete ${text}: no such document runs`);
  const key = documentKey(found);
  const outcome = await configuration.remove(key);
  if (outcome === null)
    throw new ApiError(409, "in_directory", `Cannot delete ${key}: it is defined in ${found.file}; delete it there`);
  if (!outcome.accepted && hasErrors(outcome.problems)) throw refused(outcome);
  const revision = await plane.settle();
  await audit.write({ who: c.get("caller").name, action: "delete", target: key, revision });
  return { revision, deleted: key };
}

/** Whoever types a kind need not know its capitals, nor its plural. */
function isKindCalled({ kind }: Pick<Document, "kind">, given: string): boolean {
  return isCalledKind(kind.toLowerCase(), given.toLowerCase());
}

/** True for a kind whose documents are in no namespace. */
function isOfCluster(given: string): boolean {
  return KIND_NAMES.some((kind) => !isNamespaced(kind) && isKindCalled({ kind }, given));
}

function isCalledKind(kind: string, asked: string): boolean {
  return [kind, `${kind}s`, `${kind}es`, kind.replace(/y$/, "ies")].includes(asked);
}

function isCalled(document: Document, namespace: string, name: string | undefined): boolean {
  if (name === undefined) return document.namespace === "" && document.name === namespace;
  return document.namespace === namespace && document.name === name;
}

function rowOf(document: Document, applied: boolean, state: ResourceState | null): ResourceRow {
  const [row] = describe([document]);
  return { ...row!, origin: applied ? "applied" : document.file, ...(state === null ? {} : { state }) };
}
