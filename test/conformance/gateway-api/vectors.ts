import { join } from "node:path";
import { INFRA } from "./manifest.ts";
import type { Call, Request, Step } from "./steps/model.ts";
import { VECTORS } from "./world.ts";

/** The sample tests as the suite's authors wrote them, in the words of our steps. */
export interface Sample {
  readonly manifests: readonly string[];
  readonly steps: readonly Step[];
}

interface Case {
  readonly test: string;
  readonly manifests: readonly string[];
  readonly protocol: "http" | "grpc";
  readonly gateway: Name | null;
  readonly client: string;
  readonly case: {
    readonly Backend?: string;
    readonly Namespace?: string;
    readonly Request?: SampleRequest;
    readonly ExpectedRequest?: { readonly Request?: SampleRequest; readonly AbsentHeaders?: readonly string[] };
    readonly RedirectRequest?: {
      readonly Scheme?: string;
      readonly Host?: string;
      readonly Path?: string;
      readonly Port?: string;
    };
    readonly Response?: { readonly StatusCode?: number; readonly Code?: number };
    readonly EchoRequest?: object;
    readonly EchoTwoRequest?: object;
    readonly EchoThreeRequest?: object;
  };
}

interface SampleRequest {
  readonly Host?: string;
  readonly Path?: string;
  readonly Method?: string;
  readonly Headers?: Readonly<Record<string, string>>;
}

interface Name {
  readonly Name: string;
  readonly Namespace: string;
}

interface Status {
  readonly test: string;
  readonly manifests: readonly string[];
  readonly check: string;
  readonly args: readonly Readonly<Record<string, unknown>>[];
}

/** All samples by the name of their test. */
export async function loadSamples(): Promise<ReadonlyMap<string, Sample>> {
  const [cases, statuses] = await Promise.all([
    lines<Case>("sample-cases.jsonl"),
    lines<Status>("sample-status.jsonl"),
  ]);
  const names = new Set([...cases, ...statuses].map(({ test }) => test));
  return new Map(
    [...names].map((name) => {
      const own = <T extends { readonly test: string }>(all: readonly T[]) => all.filter(({ test }) => test === name);
      const files = [...own(cases), ...own(statuses)].flatMap(({ manifests }) => manifests);
      const manifests = [...new Set(files)].filter((file) => file.startsWith("tests/"));
      return [name, { manifests, steps: [...own(statuses).flatMap(statusStep), ...own(cases).map(caseStep)] }] as const;
    }),
  );
}

async function lines<T>(file: string): Promise<readonly T[]> {
  const text = await Bun.file(join(VECTORS, file)).text();
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

function caseStep(each: Case): Step {
  const { gateway, client } = each;
  const http = gateway === null ? undefined : `${gateway.Namespace}/${gateway.Name}`;
  if (each.protocol === "grpc") return { grpc: http ?? "", calls: [callOf(each)] };
  if (http !== undefined) return { http, requests: [requestOf(each)] };
  const mesh = /^mesh pod (\S+)/.exec(client)?.[1] ?? "";
  return { mesh, to: `${each.case.Request?.Host ?? ""}:80`, requests: [requestOf(each)] };
}

function requestOf({
  case: { Backend, Namespace, Request = {}, ExpectedRequest, RedirectRequest, Response },
  gateway,
}: Case): Request {
  const expected = ExpectedRequest?.Request;
  return {
    path: Request.Path ?? "/",
    ...(Request.Host !== undefined && { host: Request.Host }),
    ...(Request.Method !== undefined && { method: Request.Method }),
    ...(Request.Headers && { headers: Request.Headers }),
    status: Response?.StatusCode ?? 200,
    ...(Backend !== undefined && { backend: Backend }),
    namespace: Namespace ?? (gateway === null ? "gateway-conformance-mesh" : INFRA),
    seen: {
      ...(expected?.Path !== undefined && { path: expected.Path }),
      ...(expected?.Host !== undefined && { host: expected.Host }),
      ...(expected?.Headers && { headers: expected.Headers }),
      ...(ExpectedRequest?.AbsentHeaders && { absent: ExpectedRequest.AbsentHeaders }),
    },
    ...(RedirectRequest && {
      redirect: {
        ...(RedirectRequest.Scheme && { scheme: RedirectRequest.Scheme }),
        ...(RedirectRequest.Host && { host: RedirectRequest.Host }),
        ...(RedirectRequest.Path && { path: RedirectRequest.Path }),
        ...(RedirectRequest.Port && { port: Number(RedirectRequest.Port) }),
      },
    }),
  };
}

function callOf({ case: sample }: Case): Call {
  const call = sample.EchoThreeRequest ? "EchoThree" : sample.EchoTwoRequest ? "EchoTwo" : "Echo";
  const { Backend, Namespace, Response } = sample;
  return {
    call,
    ...(Backend !== undefined && { backend: Backend }),
    ...(Namespace !== undefined && { namespace: Namespace }),
    code: Response?.Code ?? 0,
  };
}

/** A check of the suite by its name; one whose arguments are not data stands in a file of ours. */
function statusStep({ check, args }: Status): readonly Step[] {
  const route = (name: unknown): string => `${(name as Name).Namespace}/${(name as Name).Name}`;
  const accepted = /^GatewayAnd(HTTP|TLS)?RoutesMustBeAccepted$/.exec(check);
  if (accepted !== null) {
    const gateway = (args[0] as { readonly gateway: Name }).gateway;
    const own = `${accepted[1] ?? "GRPC"}Route ${route(args.at(-1))}`;
    return [
      { accepted: [`Gateway ${route(gateway)}`] },
      { status: own, parents: { [route(gateway)]: { Accepted: "True" } } },
    ];
  }
  if (check === "HTTPRouteMustHaveResolvedRefsConditionsTrue") return [parentStep(args, { ResolvedRefs: "True" })];
  if (check === "HTTPRouteMustHaveCondition") {
    const { Type, Status, Reason } = args[2] as Readonly<Record<string, string>>;
    return [parentStep(args, { [Type ?? ""]: `${Status} ${Reason}` })];
  }
  return [];
}

function parentStep([name, gateway]: Status["args"], conditions: Readonly<Record<string, string>>): Step {
  const of = (each: unknown): string => `${(each as Name).Namespace}/${(each as Name).Name}`;
  return { status: `HTTPRoute ${of(name)}`, parents: { [of(gateway)]: conditions } };
}
