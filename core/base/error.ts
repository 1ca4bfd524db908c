/** Which side of the proxy a failure came from. */
export type ErrorSource = "downstream" | "upstream" | "mesh";

/**
 * A failure the mesh knows by name. Every subclass says what happened
 * (`code`), on whose side (`source`), and whether another attempt at the same
 * request may succeed (`retryable`). Anything else that is thrown is a bug.
 */
export abstract class MeshError extends Error {
  abstract readonly code: `MESH_${string}`;
  abstract readonly source: ErrorSource;
  readonly retryable: boolean = false;
}

/** Finds the first error of a kind in a chain of causes, the error itself included. */
export function causeOf<T extends Error>(error: unknown, kind: abstract new (...args: never[]) => T): T | null {
  for (let e = error; e instanceof Error; e = e.cause) if (e instanceof kind) return e;
  return null;
}

/** The message of anything that was thrown, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
