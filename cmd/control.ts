import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "../core/app/control/mod.ts";
import { systemClock, systemRandom } from "../core/base/mod.ts";
import { type Address, formatAddress } from "../core/config/mod.ts";
import { version } from "../package.json";
import { builtin, builtinNames } from "../plugins/builtin.ts";
import { DEFAULT_DATA } from "./client.ts";
import { DOOR_FLAGS, doorsOf } from "./door.ts";
import { readText } from "./file.ts";
import { address, duration, gatewayAddresses, text, withDefault } from "./flag.ts";
import { logLevelFlag, processLog, randomBytes } from "./machine.ts";
import { outputFlag } from "./output.ts";
import { firstSignal } from "./signals.ts";
import { Usage } from "./usage.ts";
import { defineVerb, type Given } from "./verb.ts";

const FLAGS = {
  data: withDefault(
    text({ hint: "DIR", env: "MESH_DATA", about: "what must survive: store, authority, tokens" }),
    DEFAULT_DATA,
  ),
  config: text({ hint: "DIR", env: "MESH_CONFIG", about: "directory of manifests, watched; none without it" }),
  api: withDefault(address({ hint: "ADDR", about: "where the API listens" }), "127.0.0.1:15080"),
  stream: withDefault(address({ hint: "ADDR", about: "where proxies join and stay connected" }), "0.0.0.0:15012"),
  caCert: text({ hint: "FILE", about: "sign with this authority: its certificate, up to its root, PEM" }),
  caKey: text({ hint: "FILE", about: "key of that authority, PEM" }),
  gatewayAddresses: gatewayAddresses(),
  certificateLifetime: withDefault(duration({ hint: "TIME", about: "how long a proxy's certificate lives" }), "1h"),
  ...DOOR_FLAGS,
  logLevel: logLevelFlag(),
  output: outputFlag(),
} as const;

export const verb = defineVerb({
  flags: FLAGS,
  details: [
    "Runs the control plane until a signal: it knows who is there, signs certificates, and brings every proxy what it needs.",
    "Prints one line when it serves. The first start makes a certificate authority and an administrator's token in the data",
    "directory; the trust domain is that of the Mesh document, and stays. A mistake in the config directory is told by",
    '"mesh status", and what ran before goes on. SIGTERM ends it in order, a second one at once.',
  ].join(" "),
  examples: [
    ["mesh control --data ./data --config ./examples/hello", "on this machine"],
    ["mesh control --data /var/lib/mesh --config /etc/mesh --api 10.0.0.5:15080", "with an API for other machines"],
  ],
  async run({ flags }) {
    const plane = await startControlPlane(optionsOf(flags));
    console.log(flags.output === "json" ? JSON.stringify(readyMessage(plane)) : readyText(plane));
    await Promise.race([firstSignal(), new Promise<void>((resolve) => (plane.onDrainAsked = resolve))]);
    await plane.close();
    return 0;
  },
});

function optionsOf(flags: Given<typeof FLAGS>): ControlPlaneOptions {
  const { data, config, api, stream, caCert, caKey } = flags;
  if ((caCert === null) !== (caKey === null)) throw new Usage("--ca-cert and --ca-key need each other", "control");
  const given = { certificate: caCert, privateKey: caKey };
  return {
    ...{ data, config, api, stream, clock: systemClock, random: systemRandom, randomBytes, software: version },
    ...(given.certificate !== null &&
      given.privateKey !== null && { authority: authorityIn(given.certificate, given.privateKey) }),
    builtins: { builtin, builtinNames: builtinNames() },
    gatewayAddresses: flags.gatewayAddresses,
    timing: { leafLifetimeMs: flags.certificateLifetime },
    doors: doorsOf(flags),
    log: processLog(flags.logLevel, "control"),
  };
}

function authorityIn(certificate: string, privateKey: string) {
  return {
    certificate: readText(certificate, "the authority's certificate"),
    privateKey: readText(privateKey, "the authority's key"),
  };
}

/** The line for programs: every address that was bound. */
function readyMessage({ api, stream, doors, trustDomain, revision, adminTokenFile }: ControlPlane) {
  return {
    ...{ ready: true, role: "control", api: formatAddress(api), stream: formatAddress(stream) },
    ...{ admin: shown(doors.admin), metrics: shown(doors.metrics), health: shown(doors.health) },
    ...{ trustDomain, revision, adminToken: adminTokenFile },
  };
}

function readyText(plane: ControlPlane): string {
  const { api, stream, admin, metrics, health, trustDomain, revision, adminToken } = readyMessage(plane);
  const doors = Object.entries({ admin, health, metrics }).flatMap(([name, at]) =>
    at === null ? [] : `${name} ${at}`,
  );
  return `mesh control serves: API http://${api}, proxies ${stream}, ${[...doors, `trust domain ${trustDomain}`].join(", ")}, revision ${revision}, token in ${adminToken}`;
}

function shown(address: Address | null): string | null {
  return address === null ? null : formatAddress(address);
}
