import { MeshError, messageOf } from "../../base/mod.ts";
import type { Problem } from "../../config/mod.ts";
import type {
  ApiFailure,
  ApiTokenRow,
  ApplyRequest,
  ApplyResult,
  DeleteResult,
  JoinTokenRow,
  NewApiTokenResult,
  NewJoinTokenRequest,
  NewJoinTokenResult,
  ResourceDetail,
  ResourceRow,
  RevisionResult,
  RolloutRequest,
  RolloutRow,
  ServiceRow,
  StatusResult,
  WorkloadRow,
} from "./model.ts";

/** The control plane could not be asked; the message says what to do. */
export class ApiUnreachable extends MeshError {
  override readonly name = "ApiUnreachable";
  readonly code = "MESH_API_UNREACHABLE";
  readonly source = "mesh";
}

/** The control plane refused; the message says what to do. */
export class ApiRefused extends MeshError {
  override readonly name = "ApiRefused";
  readonly code = "MESH_API_REFUSED";
  readonly source = "mesh";
  readonly status: number;
  /** What is wrong with the documents that were sent. */
  readonly problems: readonly Problem[];

  constructor(message: string, status: number, problems: readonly Problem[]) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

export interface ClientOptions {
  /** `http://127.0.0.1:15080` */
  readonly url: string;
  /** API token; null asks only what is open to all. */
  readonly token: string | null;
  /** @default 10 s to look, a minute to change something: it is compiled with all that runs before it is answered. */
  readonly timeoutMs?: number;
}

/**
 * The control plane's API, typed. Every failure is an `ApiUnreachable` or an
 * `ApiRefused` whose message fits one line and says what to do next.
 */
export class ControlClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  apply(request: ApplyRequest, dryRun = false): Promise<ApplyResult> {
    return this.#ask("POST", `/v1/apply${dryRun ? "?dryRun=true" : ""}`, request);
  }

  validate(request: ApplyRequest): Promise<ApplyResult> {
    return this.#ask("POST", "/v1/validate", request);
  }

  delete(kind: string, namespace: string, name: string): Promise<DeleteResult> {
    return this.#ask("DELETE", `/v1/resources/${pathOf(kind, namespace, name)}`);
  }

  /** All that runs, narrowed by kind and namespace where they are given. */
  async resources(kind?: string, namespace?: string): Promise<readonly ResourceRow[]> {
    const path = kind === undefined ? "" : `/${pathOf(kind, namespace ?? "", "")}`;
    return (await this.#ask<{ resources: readonly ResourceRow[] }>("GET", `/v1/resources${path}`)).resources;
  }

  /** One document; the values of a Secret only for an administrator who asks for them. */
  resource(kind: string, namespace: string, name: string, secrets = false): Promise<ResourceDetail> {
    return this.#ask("GET", `/v1/resources/${pathOf(kind, namespace, name)}${secrets ? "?secrets=true" : ""}`);
  }

  status(): Promise<StatusResult> {
    return this.#ask("GET", "/v1/status");
  }

  revision(revision: string): Promise<RevisionResult> {
    return this.#ask("GET", `/v1/revisions/${encodeURIComponent(revision)}/status`);
  }

  async services(): Promise<readonly ServiceRow[]> {
    return (await this.#ask<{ services: readonly ServiceRow[] }>("GET", "/v1/services")).services;
  }

  async workloads(): Promise<readonly WorkloadRow[]> {
    return (await this.#ask<{ workloads: readonly WorkloadRow[] }>("GET", "/v1/workloads")).workloads;
  }

  async rollouts(): Promise<readonly RolloutRow[]> {
    return (await this.#ask<{ rollouts: readonly RolloutRow[] }>("GET", "/v1/rollouts")).rollouts;
  }

  startRollout(request: RolloutRequest): Promise<RolloutRow> {
    return this.#ask("POST", "/v1/rollouts", request);
  }

  /** @param key `Kind/namespace/route/rule` */
  moveRollout(key: string, move: "pause" | "resume" | "promote" | "abort"): Promise<RolloutRow> {
    return this.#ask("POST", `/v1/rollouts/${key.split("/").map(encodeURIComponent).join("/")}/${move}`);
  }

  createToken(request: NewJoinTokenRequest): Promise<NewJoinTokenResult> {
    return this.#ask("POST", "/v1/tokens", request);
  }

  async tokens(): Promise<readonly JoinTokenRow[]> {
    return (await this.#ask<{ tokens: readonly JoinTokenRow[] }>("GET", "/v1/tokens")).tokens;
  }

  async deleteToken(id: string): Promise<void> {
    await this.#ask("DELETE", `/v1/tokens/${encodeURIComponent(id)}`);
  }

  createApiToken(name: string, role: string): Promise<NewApiTokenResult> {
    return this.#ask("POST", "/v1/api-tokens", { name, role });
  }

  async apiTokens(): Promise<readonly ApiTokenRow[]> {
    return (await this.#ask<{ tokens: readonly ApiTokenRow[] }>("GET", "/v1/api-tokens")).tokens;
  }

  async deleteApiToken(id: string): Promise<void> {
    await this.#ask("DELETE", `/v1/api-tokens/${encodeURIComponent(id)}`);
  }

  /** Roots of the mesh, PEM; needs no token. */
  async bundle(): Promise<string> {
    return await (await this.#fetch("GET", "/v1/ca/bundle")).text();
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    if (!response.ok) throw refusalOf(response.status, text, this.#options);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ApiUnreachable(`Cannot read the answer of ${this.#options.url}: is it a control plane?`);
    }
  }

  async #fetch(method: string, path: string, body?: object): Promise<Response> {
    const { url, token, timeoutMs = method === "GET" ? 10_000 : 60_000 } = this.#options;
    const headers: Record<string, string> = { accept: "application/json" };
    if (token !== null) headers["authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const init = {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body && { body: JSON.stringify(body) }),
    };
    try {
      return await fetch(new URL(path, url), init);
    } catch (error) {
      throw new ApiUnreachable(
        `Cannot reach the control plane at ${url}: ${reasonOf(error)}; is "mesh control" running there?`,
      );
    }
  }
}

function pathOf(kind: string, namespace: string, name: string): string {
  return [kind, namespace, name]
    .filter((part) => part !== "")
    .map(encodeURIComponent)
    .join("/");
}

/** Bun's words for a refused connection say more to programmers than to users. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: string }).code ?? "";
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "connection refused";
  if ((error as Error).name === "TimeoutError") return "no answer in time";
  return messageOf(error);
}

function refusalOf(status: number, text: string, { url }: ClientOptions): ApiRefused {
  try {
    const { error } = JSON.parse(text) as ApiFailure;
    return new ApiRefused(error.message, status, error.problems ?? []);
  } catch {
    return new ApiRefused(
      `Cannot use ${url}: it answered ${status} without a reason; is it a control plane?`,
      status,
      [],
    );
  }
}
