import { systemClock } from "../core/base/mod.ts";
import { agoText } from "./ago.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { choice, required, text, withDefault } from "./flag.ts";
import { outputFlag } from "./output.ts";
import { tableText } from "./table.ts";
import { defineVerb, type Group } from "./verb.ts";

const create = defineVerb({
  flags: {
    name: required(text({ hint: "NAME", about: "whose it is, for the audit log" })),
    role: withDefault(
      choice(["viewer", "operator", "admin"], {
        hint: "ROLE",
        about: "viewer looks, operator changes, admin also makes tokens",
      }),
      "viewer",
    ),
    output: outputFlag(),
    ...CLIENT_FLAGS,
  },
  details: "Makes a token for the control plane's API, and prints it: the only time it is shown.",
  examples: [
    ["mesh api-token create --name dashboard", "for something that looks"],
    ["mesh api-token create --name ci --role operator", "for something that applies"],
  ],
  async run({ flags: { name, role, output, ...flags } }) {
    const made = await clientOf(flags).createApiToken(name, role);
    console.log(output === "json" ? JSON.stringify(made) : made.token);
    return 0;
  },
});

const list = defineVerb({
  flags: { output: outputFlag(), ...CLIENT_FLAGS },
  details: "Who may use the API; never the tokens themselves.",
  examples: [
    ["mesh api-token list", "a table"],
    ["mesh api-token list -o json", "for programs"],
  ],
  async run({ flags }) {
    const tokens = await clientOf(flags).apiTokens();
    const rows = tokens.map(({ id, name, role, createdAt }) => [id, name, role, agoText(createdAt, systemClock.now())]);
    console.log(flags.output === "json" ? JSON.stringify(tokens) : tableText(["id", "name", "role", "created"], rows));
    return 0;
  },
});

const revoke = defineVerb({
  operands: ["ID"],
  flags: { ...CLIENT_FLAGS },
  details: "Makes an API token worthless, at once.",
  examples: [
    ["mesh api-token revoke 6f1c0d2e", 'the id that "mesh api-token list" shows'],
    ["mesh api-token revoke 6f1c0d2e --data /var/lib/mesh", "as the admin of a control plane of this machine"],
  ],
  async run({ flags, operands: [id = ""] }) {
    await clientOf(flags).deleteApiToken(id);
    console.log(`${id}  revoked`);
    return 0;
  },
});

export const verb: Group = {
  details: "Tokens for the control plane's API, each with a role: viewer, operator or admin.",
  verbs: {
    create: { about: "make a token for the API", verb: create },
    list: { about: "show who may use the API", verb: list },
    revoke: { about: "make an API token worthless", verb: revoke },
  },
};
