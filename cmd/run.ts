import { accepting, type ProxyOptions, type RunningProxy, startChild, startProxy } from "../core/app/mod.ts";
import { type Log, systemClock } from "../core/base/mod.ts";
import { formatAddress } from "../core/config/mod.ts";
import {
  announce,
  commonOptions,
  controlSource,
  listenPlans,
  processLog,
  SERVING_FLAGS,
  type ServingFlags,
  sidecarPlans,
} from "./serving.ts";
import { firstSignal } from "./signals.ts";
import { Usage } from "./usage.ts";
import { defineVerb } from "./verb.ts";

/** How long a workload whose app has ended waits for others to confirm that they know. */
const LEAVE_MS = 2_000;
/** Hosts the app reaches by itself. */
const NO_PROXY = "localhost,127.0.0.1,::1";

export const verb = defineVerb({
  flags: SERVING_FLAGS,
  command: "COMMAND [ARGS…]",
  details: [
    "Runs an app in the mesh: joins, waits for identity and configuration, starts the app with HTTP_PROXY set to its",
    "way out, registers it once it takes connections on --port, forwards signals to it, drains when it is told to stop,",
    "and ends with the app's own exit code.",
  ].join(" "),
  examples: [
    ["mesh run --name web --port 8080 --control 127.0.0.1:15012 --token TOKEN -- ./web", "an app on port 8080"],
    ["mesh run --name job --control 127.0.0.1:15012 --token-file token -- ./job", "a job that only calls others"],
  ],
  async run({ flags, command }) {
    if (command.length === 0) throw new Usage("the command is missing: -- COMMAND", "run");
    if (flags.control.length === 0) throw new Usage("--control is missing: say HOST:PORT of a control plane", "run");
    const log = processLog(flags);
    const outbound = flags.outbound ?? { host: "127.0.0.1", port: 15001 };
    const options: ProxyOptions = {
      ...commonOptions(flags, log),
      source: await controlSource(flags, log),
      listeners: [...sidecarPlans(flags, outbound), ...listenPlans(flags, true)],
      mayMove: flags.outbound === null ? ["outbound"] : [],
      heldBack: true,
      credentials: null,
      upstreamTls: false,
    };
    const ended = firstSignal();
    const proxy = await startProxy(options);
    try {
      return process.exit(await supervise(proxy, { command, flags, log, ended }));
    } catch (error) {
      await proxy.close();
      throw error;
    }
  },
});

interface Supervised {
  readonly command: readonly string[];
  readonly flags: ServingFlags;
  readonly log: Log;
  readonly ended: Promise<"SIGTERM" | "SIGINT">;
}

/** The app's life: from a proxy that is ready to the app's exit code. */
async function supervise(proxy: RunningProxy, { command, flags, log, ended }: Supervised): Promise<number> {
  const stopped = ended.then((signal) => Promise.reject(new Error(`Cannot start the app: ${signal} came first`)));
  await Promise.race([proxy.ready, stopped]);
  stopped.catch(() => {});
  const way = proxy.bound.find(({ name }) => name === "outbound")!;
  const url = `http://${formatAddress({ host: way.hostname, port: way.port })}`;
  const child = startChild(command, { ...process.env, HTTP_PROXY: url, http_proxy: url, NO_PROXY, no_proxy: NO_PROXY });
  process.on("SIGHUP", () => {
    proxy.reopenLogs();
    child.signal("SIGHUP");
  });
  // However we end, a second signal or a bug, no app goes on without its sidecar.
  process.on("exit", () => child.signal("SIGKILL"));
  const up = accepting(
    flags.port.map(({ port }) => port),
    systemClock,
    log,
  );
  void up.then(() => {
    proxy.announce();
    announce("run", proxy, flags.output);
  });
  const signal = await Promise.race([ended, child.exited.then(() => null)]);
  if (signal !== null) {
    // The app goes on serving until nobody sends to it any more.
    await proxy.drain(flags.drain);
    child.signal(signal);
    systemClock.after(flags.drain, () => child.signal("SIGKILL"));
  }
  const code = await child.exited;
  // Nobody must wait for a lease to learn that it is gone; one that was drained has said so already.
  if (signal === null) await proxy.drain(Math.min(flags.drain, LEAVE_MS));
  await proxy.close();
  return code;
}
