import { systemClock } from "../core/base/mod.ts";
import type { ProxyRow, StatusResult } from "../core/control/client/mod.ts";
import { roughDuration } from "./ago.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { outputFlag } from "./output.ts";
import { problemText } from "./problems.ts";
import { tableText } from "./table.ts";
import { type Paint, painter } from "./terminal.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: { output: outputFlag(), ...CLIENT_FLAGS },
  details: [
    "Who is connected and who runs which revision; a proxy that refuses a revision keeps the one before, and says why.",
    "Also what is wrong with the config directory: with an error there, an older configuration runs.",
  ].join(" "),
  examples: [
    ["mesh status", "a table"],
    ["mesh status --control http://10.0.0.5:15080 -o json", "of another machine, for programs"],
  ],
  async run({ flags }) {
    const status = await clientOf(flags).status();
    console.log(flags.output === "json" ? JSON.stringify(status) : statusText(status, systemClock.now(), painter()));
    return 0;
  },
});

function statusText({ control, proxies }: StatusResult, now: number, paint: Paint): string {
  const head = [
    `control plane ${control.software}, trust domain ${control.trustDomain}, up ${roughDuration(now - control.startedAt)}`,
    `revision ${control.revision}`,
  ];
  const problems = control.problems.length === 0 ? "" : `\n${problemText(control.problems, paint)}\n`;
  const rows = proxies.map((proxy) => rowOf(proxy, control.revision, now, paint));
  const headings = ["namespace", "name", "identity", "version", "connected", "revision", "state"];
  return [...head, problems, rows.length === 0 ? "no proxies" : tableText(headings, rows)].join("\n");
}

function rowOf(proxy: ProxyRow, current: string, now: number, paint: Paint): readonly string[] {
  const since = roughDuration(now - proxy.since);
  const connected = proxy.connected ? paint(since, "good") : paint(`no, for ${since}`, "bad");
  const revision = proxy.revisionAcked === "" ? "none" : proxy.revisionAcked;
  const { namespace, name, identity, software } = proxy;
  return [namespace, name, identity, software, connected, revision, stateOf(proxy, current, paint)];
}

function stateOf(
  { nack, connected, gateways, revisionAcked, revisionSent }: ProxyRow,
  current: string,
  paint: Paint,
): string {
  if (nack !== null) return paint(`refuses ${nack.revision}: ${nack.reasons.join("; ")}`, "bad");
  if (!connected) return "away";
  const [unserved] = gateways.flatMap(({ name, problems }) => problems.map((one) => ({ name, ...one })));
  if (unserved !== undefined)
    return paint(`cannot serve port ${unserved.port} of ${unserved.name}: ${unserved.problem}`, "bad");
  if (revisionAcked === current) return paint("runs it", "good");
  // What concerns nobody here is not sent: the newest that was sent is the newest there is for this proxy.
  return revisionAcked === revisionSent ? paint("runs it", "good") : paint(`waits for ${revisionSent}`, "warn");
}
