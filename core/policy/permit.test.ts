import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import type { RequestHead } from "../http/mod.ts";
import {
  CONTINUE,
  DEFAULT_PLUGIN_LIMITS,
  fault,
  HeaderChanges,
  type Plugin,
  type RequestFacts,
  Verdict,
  VerdictKind,
} from "../plugin/mod.ts";
import { type Filterable, filterRequest, flagOf, type Permitted, PolicyFault } from "./mod.ts";

test("an exchange without policies is permitted as it is", () => {
  const exchange = routed();

  expect(filterRequest(exchange)).toBe(exchange as Routed & Permitted);
});

test("policies are asked in their order, and the first answer ends it", () => {
  const asked: string[] = [];
  const refusal = new Verdict(VerdictKind.Respond, { status: 401 });
  const exchange = routed(policy("a", CONTINUE, asked), policy("b", refusal, asked), policy("c", CONTINUE, asked));

  expect(filterRequest(exchange)).toBeNull();
  expect(asked).toEqual(["a", "b"]);
  expect(exchange.refusal).toBe(refusal);
  expect(exchange.policy).toBe("b");
});

test("a policy that faults denies", () => {
  const asked: string[] = [];
  const exchange = routed(policy("a", fault("trap", "unreachable"), asked), policy("b", CONTINUE, asked));

  expect(() => filterRequest(exchange)).toThrow(PolicyFault);
  expect(asked).toEqual(["a"]);
  expect(exchange.policy).toBe("a");
});

test("a policy that may be skipped is skipped when it faults, and that is on record", () => {
  const asked: string[] = [];
  const exchange = routed(policy("a", fault("fuel", "…"), asked, "open"), policy("b", CONTINUE, asked));

  expect(filterRequest(exchange)).not.toBeNull();
  expect(asked).toEqual(["a", "b"]);
  expect(exchange.detail).toBe('policy "a" faulted: fuel');
});

test("a destination is kept with the policy that chose it", () => {
  const exchange = routed(policy("a", new Verdict(VerdictKind.Route, { destination: "v2" })), policy("b", CONTINUE));

  expect(filterRequest(exchange)).not.toBeNull();
  expect(exchange.destination).toBe("v2");
  expect(exchange.router?.model.id).toBe("a");
});

test("header changes add up, the later of two counts, and the next policy sees them", () => {
  const seen: (HeaderChanges | null)[] = [];
  const first = changing({ "x-a": "1", "x-b": "1" });
  const exchange = routed(policy("a", first), policy("b", changing({ x_b: "2" }), [], "closed", seen));

  filterRequest(exchange);

  expect(seen).toEqual([first.changes]);
  expect(exchange.changes?.lines.toString()).toBe("x-a: 1\r\nx_b: 2\r\n");
});

test("changes drop what they set and what they take away, look-alikes too", () => {
  const head = requestHead({ headers: ["X-A", "x_a", "x-b", "x-gone"].map((name) => [name, "1"] as const) });
  const changes = new HeaderChanges([
    { name: "x-a", value: "2" },
    { name: "x-gone", value: null },
  ]);

  expect([0, 1, 2, 3].map((i) => changes.drops(head, i))).toEqual([true, true, false, true]);
});

test("the flag of a refusal says what it was", () => {
  const flags = [401, 403, 429, 503, 204, 302].map((status) => flagOf(new Verdict(VerdictKind.Respond, { status })));

  expect(flags).toEqual(["UAEX", "UAEX", "RL", "UAEX", "-", "-"]);
});

test("a routed exchange is not a permitted one, for the compiler", () => {
  const forward = (exchange: Permitted): Permitted => exchange;

  // @ts-expect-error: Routed is not Permitted
  forward(routed());
  const permitted = filterRequest(routed());
  if (permitted !== null) forward(permitted);
});

interface Routed extends Filterable, RequestFacts {
  changes: HeaderChanges | null;
}

function routed(...policies: Plugin[]): Routed {
  return {
    request: requestHead({}),
    policies,
    peer: null,
    address: "127.0.0.1",
    service: "shop/web",
    route: "r",
    changes: null,
    destination: "",
    router: null,
    refusal: null,
    policy: "",
    detail: "",
  };
}

function policy(
  id: string,
  verdict: Verdict,
  asked: string[] = [],
  failureMode: "open" | "closed" = "closed",
  seen: (HeaderChanges | null)[] = [],
): Plugin {
  const limits = DEFAULT_PLUGIN_LIMITS;
  const model = { id, sha256: "", config: {}, destinations: {}, failureMode, order: 0, limits };
  const onRequest = (_: RequestHead, facts: RequestFacts): Verdict => {
    asked.push(id);
    seen.push(facts.changes);
    return verdict;
  };
  return { model, onRequest };
}

function changing(headers: Record<string, string>): Verdict {
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return new Verdict(VerdictKind.Continue, { changes: new HeaderChanges(list) });
}
