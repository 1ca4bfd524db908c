import { childCompiler, type GatewayChoice, type ProxyOptions, type ProxySource, startProxy } from "../core/app/mod.ts";
import { CIDR, type Cidr, IP_ADDRESS, isIpAddress, parseCidr } from "../core/config/mod.ts";
import { count, gatewayAddresses, list, text, toggle, valued, withDefault } from "./flag.ts";
import { gatewayNames, qualified } from "./gateway.ts";
import { sameProgram } from "./self.ts";
import {
  announce,
  commonOptions,
  controlSource,
  credentialsFrom,
  IDENTITY,
  listenPlans,
  processLog,
  SERVING_FLAGS,
  sidecarPlans,
} from "./serving.ts";
import { firstSignal } from "./signals.ts";
import { Usage } from "./usage.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: {
    ...SERVING_FLAGS,
    config: text({ hint: "DIR", about: "manifests to serve without a control plane; reloaded when they change" }),
    identity: text(IDENTITY),
    gateway: gatewayNames("Gateway whose listeners it serves; NAMESPACE/NAME elsewhere, * for all"),
    gatewayBind: withDefault(
      valued(IP_ADDRESS, (given) => (isIpAddress(given) ? given : null), {
        hint: "ADDRESS",
        about: "where a Gateway without an address of its own listens",
      }),
      "0.0.0.0",
    ),
    gatewayAddresses: gatewayAddresses(),
    gatewayTrusts: list(
      valued(CIDR, (given) => (parseCidr(given) === null ? null : given), {
        hint: "CIDR",
        about: "proxies in front of the gateway whose x-forwarded-for, -proto and -host are believed",
      }),
    ),
    gatewayPortOffset: count({ hint: "N", about: "added to every port of a Gateway: 8000 makes 80 port 8080" }),
    upstreamTls: toggle("TLS toward endpoints of which no identity is known, with --identity"),
  },
  details: [
    "Runs the data plane until a signal, then drains. With --config it serves what the manifests say, alone: an edge",
    "proxy from one directory. With --control it joins a mesh: it gets its identity and configuration from there,",
    "keeps the last good of both on disk, and registers the app behind --port. With --gateway it serves the listeners",
    "of a Gateway, with either: ports are opened and closed as the Gateway says.",
  ].join(" "),
  examples: [
    ["mesh proxy --config examples/edge --listen 127.0.0.1:8080=web", "an edge proxy from files"],
    ["mesh proxy --config policies --outbound 127.0.0.1:3128", "a forward proxy from files"],
    ["mesh proxy --config examples/gateway --gateway edge", "the listeners of a Gateway, from files"],
    ["mesh proxy --name web --port 8080 --control 127.0.0.1:15012 --token TOKEN", "a sidecar of an app on port 8080"],
  ],
  async run({ flags }) {
    const log = processLog(flags);
    const credentials = await credentialsFrom(flags.identity);
    const hasControl = flags.control.length > 0;
    if (hasControl === (flags.config !== null))
      throw new Usage("give either --config DIR or --control HOST:PORT", "proxy");
    if (hasControl && flags.gatewayAddresses !== null)
      throw new Usage(
        "--gateway-addresses needs --config: with --control it is for the control plane to give",
        "proxy",
      );
    const isGateway = flags.gateway.length > 0;
    if (flags.config !== null && flags.listen.length === 0 && flags.outbound === null && !isGateway)
      throw new Usage("--listen or --gateway is missing: say ADDR=SERVICE, or the name of a Gateway", "proxy");
    if (flags.upstreamTls && credentials === null) throw new Usage("--upstream-tls needs --identity", "proxy");
    // A gateway has no app that would call out through it, unless somebody says so.
    const outbound = flags.outbound ?? (isGateway ? null : { host: "127.0.0.1", port: 15001 });
    // From files there is no workload, and so nothing that peers could reach.
    const sidecar = hasControl ? sidecarPlans(flags, outbound) : sidecarPlans({ ...flags, port: [] }, flags.outbound);
    const options: ProxyOptions = {
      ...commonOptions(flags, log),
      source: flags.config === null ? await controlSource(flags, log) : filesIn(flags.config, flags.gatewayAddresses),
      listeners: [...sidecar, ...listenPlans(flags, credentials !== null || hasControl)],
      gateways: isGateway ? gatewayChoice(flags) : null,
      mayMove: flags.outbound === null ? ["outbound"] : [],
      credentials,
      upstreamTls: flags.upstreamTls,
    };
    const ended = firstSignal();
    const proxy = await startProxy(options);
    process.on("SIGHUP", () => proxy.reopenLogs());
    // Asked to end before it served, it has nothing to drain.
    if ((await Promise.race([ended, proxy.ready])) !== undefined) return process.exit(1);
    announce("proxy", proxy, flags.output);
    const drainAsked = new Promise<void>((resolve) => {
      proxy.onDrainAsked = resolve;
    });
    await Promise.race([ended, drainAsked]);
    await proxy.stop(flags.drain);
    // Connections that linger for their peers' FIN would keep the process.
    return process.exit(0);
  },
});

function filesIn(directory: string, gatewayAddresses: Cidr | null): ProxySource {
  const pool = gatewayAddresses === null ? [] : ["--gateway-addresses", gatewayAddresses.text];
  return { kind: "files", directory, compile: childCompiler([...sameProgram(), "compile", ...pool]) };
}

function gatewayChoice(flags: {
  readonly gateway: readonly string[];
  readonly namespace: string;
  readonly gatewayBind: string;
  readonly gatewayPortOffset: number | null;
  readonly gatewayTrusts: readonly string[];
}): GatewayChoice {
  return {
    names: qualified(flags.gateway, flags.namespace),
    bind: flags.gatewayBind,
    portOffset: flags.gatewayPortOffset ?? 0,
    trusted: flags.gatewayTrusts,
  };
}
