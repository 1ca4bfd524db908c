import { systemClock } from "../core/base/mod.ts";
import { formatDuration } from "../core/config/mod.ts";
import { agoText, roughDuration } from "./ago.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { count, duration, required, text, withDefault } from "./flag.ts";
import { gatewayNames, qualified } from "./gateway.ts";
import { namespaceFlag } from "./kind.ts";
import { outputFlag } from "./output.ts";
import { tableText } from "./table.ts";
import { defineVerb, type Group } from "./verb.ts";

const create = defineVerb({
  flags: {
    name: required(text({ hint: "NAME", about: "service account of the workload, which is also its name" })),
    namespace: namespaceFlag("namespace of the workload, and of a Gateway without one"),
    ttl: withDefault(duration({ hint: "TIME", about: "how long it is good for" }), "1h"),
    gateway: gatewayNames("Gateway that the proxy may serve, with its keys; * for all"),
    uses: withDefault(count({ hint: "COUNT", about: "proxies it lets in; 0 for any number" }), "1"),
    output: outputFlag(),
    ...CLIENT_FLAGS,
  },
  details: [
    "Makes a token that lets a proxy join the mesh as one identity, and prints it: the only time it is shown.",
    "A proxy that restarts needs no new one as long as its certificate on disk is valid.",
  ].join(" "),
  examples: [
    ["mesh token create --name web", "for one proxy, within an hour"],
    ["mesh token create --name edge --gateway edge", "for a proxy that serves the Gateway edge"],
    ["mesh token create --name web --namespace shop --uses 0 --ttl 24h", "for as many replicas as start within a day"],
  ],
  async run({ flags: { name, namespace, gateway, ttl, uses, output, ...flags } }) {
    const gateways = qualified(gateway, namespace);
    const made = await clientOf(flags).createToken({ name, namespace, ttlMs: ttl, uses, gateways });
    console.log(output === "json" ? JSON.stringify(made) : made.token);
    // Beside the token, so that TOKEN=$(mesh token create …) holds nothing else.
    const many = uses === 0 ? "any number of proxies" : uses === 1 ? "one proxy" : `${uses} proxies`;
    if (process.stdout.isTTY) console.error(`lets ${many} in as ${namespace}/${name} for ${formatDuration(ttl)}`);
    return 0;
  },
});

const list = defineVerb({
  flags: { output: outputFlag(), ...CLIENT_FLAGS },
  details: "Tokens that can still be used; never the tokens themselves.",
  examples: [
    ["mesh token list", "a table"],
    ["mesh token list -o json", "for programs"],
  ],
  async run({ flags }) {
    const tokens = await clientOf(flags).tokens();
    const now = systemClock.now();
    const rows = tokens.map(({ id, namespace, name, uses, used, gateways = [], expiresAt, createdAt, createdBy }) => [
      ...[id, namespace, name, `${used} of ${uses === 0 ? "any" : uses}`, gateways.join(", ")],
      ...[`in ${roughDuration(expiresAt - now)}`, `${agoText(createdAt, now)} by ${createdBy}`],
    ]);
    const table = tableText(["id", "namespace", "name", "used", "gateways", "expires", "created"], rows);
    console.log(flags.output === "json" ? JSON.stringify(tokens) : rows.length === 0 ? "no tokens" : table);
    return 0;
  },
});

const revoke = defineVerb({
  operands: ["ID"],
  flags: { ...CLIENT_FLAGS },
  details: "Makes a token worthless. Proxies that joined with it stay.",
  examples: [
    ["mesh token revoke 6f1c0d2e", 'the id that "mesh token list" shows'],
    ["mesh token revoke 6f1c0d2e --data /var/lib/mesh", "as the admin of a control plane of this machine"],
  ],
  async run({ flags, operands: [id = ""] }) {
    await clientOf(flags).deleteToken(id);
    console.log(`${id}  revoked`);
    return 0;
  },
});

export const verb: Group = {
  details: "Join tokens: what a proxy shows when it first enters the mesh, bound to one identity.",
  verbs: {
    create: { about: "make a token for a proxy to join with", verb: create },
    list: { about: "show the tokens that can still be used", verb: list },
    revoke: { about: "make a token worthless", verb: revoke },
  },
};
