import type { Say, Stage } from "./stage.ts";
import { type Answer, ask, askMany, Stream, until } from "./traffic.ts";

/** What was seen of a promise. */
export interface Seen {
  readonly held: boolean;
  /** The numbers it was seen by. */
  readonly evidence: string;
}

/** One promise of the mesh, shown with real requests. */
export interface Act {
  readonly name: string;
  show(stage: Stage, say: Say): Promise<Seen>;
}

/** In the order in which they are shown. */
export const ACTS: readonly Act[] = [
  { name: "mutual TLS", show: showMutualTls },
  { name: "weighted split", show: showSplit },
  { name: "API key policy", show: showApiKey },
  { name: "rate limit policy", show: showRateLimit },
  { name: "canary policy", show: showCanary },
  { name: "instance killed", show: showKill },
];

/** A request of shop's own app, through HTTP_PROXY, both sidecars and back. */
async function showMutualTls(stage: Stage, say: Say): Promise<Seen> {
  const id = `demo-${process.pid}`;
  const { appUrl } = stage.instance("shop");
  const answer = await ask(`${appUrl}/call?url=${encodeURIComponent("http://web/hello")}`, { "x-request-id": id });
  say(`shop asked web through its sidecar: ${answer.status} from ${answer.app}`);
  const lineOf = (name: string) => stage.logOf(name).find((line) => line["request_id"] === id);
  const web = stage.instances.filter(({ name }) => name.startsWith("web")).map(({ name }) => name);
  const both = () => lineOf("shop") !== undefined && web.some((name) => lineOf(name) !== undefined);
  if (!(await until(both, LOG_MS))) return { held: false, evidence: "the request is not in both access logs" };
  const there = web.find((name) => lineOf(name) !== undefined)!;
  const [left, came] = [lineOf("shop")!, lineOf(there)!];
  say(`access log of shop:  to ${left["destination_principal"]}, answered ${left["response_code"]}`);
  say(`access log of ${there}:  from ${came["source_principal"]}, answered ${came["response_code"]}`);
  const held = isId(left["destination_principal"], "web-") && isId(came["source_principal"], "shop");
  return {
    held: held && answer.status === 200,
    evidence: `${came["source_principal"]} → ${left["destination_principal"]}`,
  };
}

const LOG_MS = 10_000;

function isId(text: unknown, account: string): boolean {
  return typeof text === "string" && text.startsWith("spiffe://") && text.includes(`/sa/${account}`);
}

async function showSplit(stage: Stage, say: Say): Promise<Seen> {
  await stage.mesh("apply", "-f", "examples/canary/tenth.yaml", "--wait");
  const tenth = await share(stage, say);
  await stage.mesh("apply", "-f", "examples/canary/half.yaml", "--wait");
  const half = await share(stage, say);
  const held = tenth > 0.02 && tenth < 0.22 && half > 0.35 && half < 0.65;
  return { held, evidence: `v2 got ${percent(tenth)} with weights 90 and 10, ${percent(half)} with 50 and 50` };
}

const SPLIT_REQUESTS = 300;

/** Share of v2 among the answers; NaN where one was no answer. */
async function share(stage: Stage, say: Say): Promise<number> {
  const answers = await askMany(SPLIT_REQUESTS, stage.webUrl);
  const second = answers.filter(({ version }) => version === "v2").length;
  const first = answers.filter(({ version }) => version === "v1").length;
  say(`${answers.length} requests: ${first} answered by v1, ${second} by v2`);
  return first + second === answers.length ? second / answers.length : Number.NaN;
}

async function showApiKey(stage: Stage, say: Say): Promise<Seen> {
  await stage.mesh("apply", "-f", "examples/policies/api-key.yaml", "--wait");
  const without = await ask(stage.webUrl);
  const wrong = await ask(stage.webUrl, { "x-api-key": "guess" });
  const known = await ask(stage.webUrl, { "x-api-key": "alice-key" });
  say(`without a key ${without.status}, with a wrong one ${wrong.status}, with the key of alice ${known.status}`);
  await stage.mesh("delete", "plugin", "api-key", "--wait");
  const held = without.status === 401 && wrong.status === 401 && known.status === 200;
  return {
    held,
    evidence: `${without.status} without, ${wrong.status} with a wrong key, ${known.status} with the right one`,
  };
}

async function showRateLimit(stage: Stage, say: Say): Promise<Seen> {
  await stage.mesh("apply", "-f", "examples/policies/rate-limit.yaml", "--wait");
  const answers = await askMany(RATE_REQUESTS, stage.webUrl);
  const passed = answers.filter(({ status }) => status === 200).length;
  const limited = answers.filter(({ status, retryAfter }) => status === 429 && Number(retryAfter) > 0);
  const retryAfter = limited[0]?.retryAfter ?? "nothing";
  say(`${answers.length} requests: ${passed} passed, ${limited.length} got 429 with retry-after: ${retryAfter}`);
  await stage.mesh("delete", "plugin", "rate-limit", "--wait");
  const held = passed > 0 && limited.length > 0 && passed + limited.length === answers.length;
  return { held, evidence: `${passed} passed, then ${limited.length} × 429 with retry-after ${retryAfter}` };
}

const RATE_REQUESTS = 60;

async function showCanary(stage: Stage, say: Say): Promise<Seen> {
  await stage.mesh("apply", "-f", "examples/policies/canary.yaml", "--wait");
  const testers = await askMany(CANARY_REQUESTS, stage.webUrl, { "x-tester": "me" });
  const others = await askMany(CANARY_REQUESTS, stage.webUrl);
  const count = (answers: readonly Answer[], version: string) =>
    answers.filter((each) => each.version === version).length;
  const [there, rest] = [count(testers, "v2"), count(others, "v1")];
  say(`of ${CANARY_REQUESTS} requests of testers ${there} reached v2; of others, ${rest} reached v1`);
  const held = there === CANARY_REQUESTS && rest > 0;
  return { held, evidence: `${there} of ${CANARY_REQUESTS} requests of testers reached v2` };
}

const CANARY_REQUESTS = 40;

/** Kills a sidecar with its app in the middle of traffic. */
async function showKill(stage: Stage, say: Say): Promise<Seen> {
  const victim = stage.instance("web-v1-b");
  const app = (await (await fetch(victim.appUrl)).json()) as { pid: number };
  const traffic = new Stream(stage.webUrl);
  await until(() => (traffic.byApp.get(victim.name) ?? 0) >= BEFORE, PATIENCE_MS);
  const before = traffic.byApp.get(victim.name) ?? 0;
  say(`$ kill -9 ${victim.sidecar.pid} ${app.pid}    # ${victim.name}, which has answered ${before} requests`);
  const sentBefore = traffic.sent;
  victim.sidecar.kill("SIGKILL");
  process.kill(app.pid, "SIGKILL");
  await until(() => traffic.sent >= sentBefore + AFTER, PATIENCE_MS);
  await traffic.stop();
  const after = traffic.sent - sentBefore;
  say(`${traffic.sent} requests, ${after} of them since: ${traffic.failed} failed`);
  const held = before >= BEFORE && after >= AFTER && traffic.failed === 0;
  return { held, evidence: `${traffic.failed} of ${traffic.sent} requests failed` };
}

const BEFORE = 10;
const AFTER = 400;
const PATIENCE_MS = 20_000;

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
