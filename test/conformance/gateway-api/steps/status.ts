import { eventually } from "../../../harness/mod.ts";
import { INFRA, type Reference, referenceOf } from "../manifest.ts";
import type { Readable, World } from "../world.ts";
import { Differs, same } from "./compare.ts";
import type { Conditions, ListenerStatus, StatusStep } from "./model.ts";

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

interface ParentReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

/** What a route says of a parent, or a policy of an ancestor. */
interface ParentStatus {
  readonly parentRef?: ParentReference;
  readonly ancestorRef?: ParentReference;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

interface ListenerReport {
  readonly name: string;
  readonly attachedRoutes: number;
  readonly supportedKinds?: readonly { readonly kind: string; readonly group?: string }[];
  readonly conditions: readonly Condition[];
}

export const CONTROLLER = "mesh.dev/gateway-controller";

/** Waits until the status of a document says what the test says. */
export function runStatus(world: World, step: StatusStep, patienceMs: number): Promise<void> {
  return judged(world, step.status, patienceMs, (document) => {
    const { status = {} } = document;
    if (step.conditions) judgeConditions("", step.conditions, conditionsOf(status), document);
    if (step.listeners || step.count !== undefined) judgeListeners(step, status, document);
    if (step.parents) judgeParents(step.parents, parentsOf(status), document);
    const addresses = ((status["addresses"] ?? []) as readonly { readonly value: string }[]).map(({ value }) => value);
    if (typeof step.addresses === "number") same("number of addresses", step.addresses, addresses.length);
    else if (step.addresses !== undefined) same("addresses", step.addresses, addresses);
    if (step.attachedListenerSets !== undefined)
      same("attachedListenerSets", step.attachedListenerSets, status["attachedListenerSets"] ?? 0);
  });
}

/** Everything accepted, resolved, and for Gateways and sets of listeners also programmed. */
export async function runAccepted(world: World, texts: readonly string[], patienceMs: number): Promise<void> {
  for (const text of texts) await judged(world, text, patienceMs, (document) => judgeAccepted(document));
}

/** What is true of kinds that answer for themselves, once all is well; routes and policies answer to their parents. */
const OWN_CONDITIONS: Readonly<Record<string, Conditions>> = {
  Gateway: { Accepted: "True", Programmed: "True" },
  ListenerSet: { Accepted: "True", Programmed: "True" },
  GatewayClass: { Accepted: "True" },
};

function judgeAccepted(document: Readable): void {
  const { status = {} } = document;
  const own = OWN_CONDITIONS[document.kind];
  if (own !== undefined) judgeConditions("", own, conditionsOf(status), document);
  else judgeParentsAccepted(document, status);
}

function judgeParentsAccepted(document: Readable, status: Readonly<Record<string, unknown>>): void {
  const parents = parentsOf(status);
  const wanted = (document.spec?.["parentRefs"] as readonly unknown[] | undefined)?.length ?? 1;
  same("number of parents", wanted, parents.length);
  for (const parent of parents) {
    same("controllerName", CONTROLLER, parent.controllerName);
    judgeConditions(`${nameOf(parent)}: `, { Accepted: "True", ResolvedRefs: "True" }, parent.conditions, document);
  }
}

async function judged(
  world: World,
  text: string,
  patienceMs: number,
  judge: (document: Readable) => void,
): Promise<void> {
  const reference: Reference = referenceOf(text);
  try {
    await eventually(async () => judge(await world.read(reference)), patienceMs);
  } catch (error) {
    throw new Error(`${text}: ${(error as Error).message}`);
  }
}

function conditionsOf(status: Readonly<Record<string, unknown>>): readonly Condition[] {
  return (status["conditions"] ?? []) as readonly Condition[];
}

function parentsOf(status: Readonly<Record<string, unknown>>): readonly ParentStatus[] {
  return (status["parents"] ?? status["ancestors"] ?? []) as readonly ParentStatus[];
}

/** Conditions by type; each must also have seen the generation that the document has now. */
function judgeConditions(where: string, wanted: Conditions, found: readonly Condition[], document: Readable): void {
  for (const [type, words] of Object.entries(wanted)) {
    const [status = "", reasons] = statusWords(words);
    const condition = found.find((each) => each.type === type);
    if (status === "absent") {
      same(`${where}condition ${type}`, undefined, condition);
      continue;
    }
    const at = `${where}condition ${type}`;
    if (condition?.status !== status) throw new Differs(at, words, condition ?? null);
    if (reasons && !reasons.split("|").includes(condition.reason))
      throw new Differs(`reason of ${at}`, reasons, condition);
    same(`observedGeneration of ${at}`, document.metadata.generation ?? null, condition.observedGeneration);
    if (Number.isNaN(Date.parse(condition.lastTransitionTime ?? "")))
      throw new Differs(`lastTransitionTime of ${at}`, "a time", condition.lastTransitionTime);
  }
}

/** YAML reads a bare True as a boolean. */
function statusWords(words: string | boolean): readonly [string?, string?] {
  return typeof words === "boolean" ? [words ? "True" : "False"] : (words.split(" ") as [string?, string?]);
}

function judgeListeners(step: StatusStep, status: Readonly<Record<string, unknown>>, document: Readable): void {
  const found = (status["listeners"] ?? []) as readonly ListenerReport[];
  if (step.count !== undefined) same("number of listeners", step.count, found.length);
  for (const [name, wanted] of Object.entries(step.listeners ?? {})) {
    const listener = found.find((each) => each.name === name);
    if (listener === undefined)
      throw new Differs(
        `listener ${name}`,
        wanted,
        found.map(({ name }) => name),
      );
    judgeListener(wanted, listener, document);
  }
}

function judgeListener(wanted: ListenerStatus, listener: ListenerReport, document: Readable): void {
  const where = `listener ${listener.name}: `;
  if (wanted.attached !== undefined) same(`${where}attachedRoutes`, wanted.attached, listener.attachedRoutes);
  const kinds = (listener.supportedKinds ?? []).map(({ kind }) => kind);
  if (wanted.kinds !== undefined) same(`${where}supportedKinds`, [...wanted.kinds].sort(), kinds.sort());
  judgeConditions(where, wanted.conditions ?? {}, listener.conditions, document);
}

function judgeParents(
  wanted: Readonly<Record<string, Conditions>>,
  found: readonly ParentStatus[],
  document: Readable,
): void {
  const ours = found.filter(({ controllerName }) => controllerName === CONTROLLER);
  for (const [name, conditions] of Object.entries(wanted)) {
    const parent = ours.find((each) => nameOf(each, document.metadata.namespace) === canonical(name));
    if (parent === undefined)
      throw new Differs(
        `parent ${name}`,
        conditions,
        ours.map((each) => nameOf(each)),
      );
    judgeConditions(`${name}: `, conditions, parent.conditions, document);
  }
  same("number of parents", Object.keys(wanted).length, ours.length);
}

/** `namespace/name[/section][:port]` */
function nameOf({ parentRef, ancestorRef }: ParentStatus, own = INFRA): string {
  const { namespace = own, name, sectionName, port } = parentRef ?? ancestorRef ?? { name: "" };
  return `${namespace}/${name}${sectionName ? `/${sectionName}` : ""}${port ? `:${port}` : ""}`;
}

/** A name with its namespace: tests leave out the usual one. */
function canonical(name: string): string {
  return name.startsWith("gateway-conformance-") ? name : `${INFRA}/${name}`;
}
