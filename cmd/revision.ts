import { systemClock } from "../core/base/mod.ts";
import { formatDuration } from "../core/config/mod.ts";
import type { ControlClient, RevisionResult } from "../core/control/client/mod.ts";
import { duration, toggle, withDefault } from "./flag.ts";

/** Flags of every verb that changes what runs. */
export const WAIT_FLAGS = {
  wait: toggle("return when every connected proxy runs it"),
  timeout: withDefault(duration({ hint: "TIME", about: "how long to wait" }), "30s"),
} as const;

/** Between two questions whether everybody has it: a change travels in less. */
const POLL_MS = 100;

/**
 * Waits until every connected proxy runs a revision or a newer one.
 *
 * @throws {Error} when a proxy refuses it, or the deadline passes; it names who.
 */
export async function awaitRevision(
  client: ControlClient,
  revision: string,
  timeoutMs: number,
): Promise<RevisionResult> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const status = await client.revision(revision);
    if (status.done) return status;
    // Those that refuse do not change their mind; the others may still be told.
    if (status.waiting.length === 0 && status.refused.length > 0) throw new Error(refusal(status));
    if (systemClock.monotonic() >= deadline) throw new Error(lateness(status, timeoutMs));
    await new Promise<void>((resolve) => systemClock.after(POLL_MS, resolve));
  }
}

function refusal({ revision, refused }: RevisionResult): string {
  const who = refused.map(({ proxy, reasons }) => `${proxy} (${reasons.join(", ")})`);
  return `Cannot bring ${revision} to every proxy: it runs at the control plane, and is refused by ${who.join("; ")}`;
}

function lateness({ revision, acked, total, waiting }: RevisionResult, timeoutMs: number): string {
  const late = waiting.join(", ");
  return `Cannot bring ${revision} to every proxy in ${formatDuration(timeoutMs)}: ${acked} of ${total} run it, still waiting for ${late}; "mesh status" shows them`;
}
