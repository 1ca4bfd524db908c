/**
 * The entry of a data-plane worker: it is told everything by messages.
 * @module
 */
import { jsonLog, type Log, messageOf, systemClock } from "../base/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import { Calls, type HostCall, type Message, type WorkerCall } from "./calls.ts";
import { drained } from "./planes.ts";
import { WorkerPlane } from "./worker-plane.ts";

declare const self: { onmessage: ((event: MessageEvent<Message>) => void) | null };

const post = (message: Message): void => postMessage(message);

// Bun ends a worker with exit code 0 and no event when a rejection is unhandled: say why first.
process.on("unhandledRejection", (reason) => {
  post({ type: "log", level: "error", text: "unhandled rejection in a worker", fields: { reason: messageOf(reason) } });
});

/** How often the main thread is told which services were called. */
const USED_MS = 10_000;

function start(plan: Extract<Message, { type: "start" }>): Calls {
  const log = remoteLog(plan.level);
  const calls: Calls = new Calls(post, (body: WorkerCall) => answer(plane, body));
  const plane: WorkerPlane = new WorkerPlane(
    plan.plan,
    {
      want: async (host) => void (await calls.call({ call: "want", host } satisfies HostCall)),
      blob: async (sha256) => (await calls.call({ call: "blob", sha256 } satisfies HostCall)) as Uint8Array,
      telemetry: (message) => post({ type: "telemetry", message }),
      log,
    },
    systemClock,
  );
  systemClock.every(USED_MS, () => {
    const names = plane.takeUsed();
    if (names.length > 0) post({ type: "used", names });
  });
  return calls;
}

/** Lines are written by the main thread, so that none is torn. */
function remoteLog(level: Log["level"]): Log {
  const log = jsonLog(systemClock, () => {}, level);
  for (const at of ["debug", "info", "warn", "error"] as const) {
    log[at] = (text, fields = {}) => post({ type: "log", level: at, text, fields });
  }
  return log;
}

async function answer(plane: WorkerPlane, body: WorkerCall): Promise<unknown> {
  switch (body.call) {
    case "open":
      return plane.open(body.plans);
    case "shut":
      return plane.shut(body.plans);
    case "apply":
      return await plane.apply(body.model as SnapshotModel);
    case "identify":
      return plane.identify(body.credentials);
    case "drain":
      return await drained(plane, systemClock, body.deadlineMs);
    case "clusters":
      return plane.clusters();
    case "measure":
      return plane.measure(body.clusters);
    case "reopen":
      return plane.reopenLog();
    case "beat":
      return null;
    case "close":
      return plane.close();
  }
}

let calls: Calls | null = null;
self.onmessage = ({ data }) => {
  if (data.type === "start") calls = start(data);
  else calls?.take(data);
};
