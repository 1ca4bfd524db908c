import type { Hono } from "hono";
import type { Log } from "../base/mod.ts";
import type { Problem } from "../config/mod.ts";
import { type ApiTokens, type Caller, mayActAs, type Role } from "./api-token.ts";
import type { Audit } from "./audit.ts";
import type { Issuing } from "./identity.ts";
import type { Plane } from "./plane.ts";

/** What the API is made from. */
export interface ApiSources {
  readonly plane: Plane;
  readonly issuing: Issuing;
  readonly apiTokens: ApiTokens;
  readonly audit: Audit;
  readonly log: Log;
  readonly software: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export type ApiEnv = { Variables: { caller: Caller } };
export type Api = Hono<ApiEnv>;

/** A request that is answered with its own status and one line that says what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 422;
  readonly code: string;
  readonly problems: readonly Problem[] | null;

  constructor(status: ApiError["status"], code: string, message: string, problems: readonly Problem[] | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

/** Who may do this. @throws {ApiError} 403 with the role that is needed. */
export function need(caller: Caller, role: Role): void {
  if (mayActAs(caller, role)) return;
  const message = `Cannot do this: token "${caller.name}" has the role ${caller.role} and ${role} is needed; ask an admin for such a token`;
  throw new ApiError(403, "forbidden", message);
}

/** The JSON object in a body. @throws {ApiError} 400 */
export async function readBody<T extends object>(request: { text(): Promise<string> }): Promise<Partial<T>> {
  try {
    const value: unknown = JSON.parse(await request.text());
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Partial<T>;
  } catch {
    // told below
  }
  throw new ApiError(400, "malformed", "Cannot read the request: its body is not a JSON object");
}
