import { describe, expect, test } from "bun:test";
import { servingDouble, snapshotOf } from "../../test/harness/serving.ts";
import type { MeshError } from "../base/mod.ts";
import { PolicyFault } from "../policy/mod.ts";
import * as failures from "./failure.ts";
import { rescue } from "./rescue.ts";

const OTHERS = { MalformedRequest: [400, "DPE"], PolicyFault: [500, "PF"] } as const;
const EXPECTED: Readonly<Record<string, readonly [status: number, flag: string]>> = {
  ...OTHERS,
  NoRoute: [404, "NR"],
  NoBackend: [500, "NC"],
  MethodRefused: [405, "DPE"],
  MisdirectedRequest: [421, "NR"],
  EgressRefused: [502, "NR"],
  UnknownHost: [502, "NR"],
  DiscoveryUnavailable: [503, "NR"],
  NoHealthyEndpoint: [503, "UH"],
  ConnectFailed: [503, "UF"],
  UntrustedPeer: [503, "DN"],
  Overflow: [503, "UO"],
  UpstreamReset: [502, "UC"],
  MalformedResponse: [502, "UPE"],
  RequestTimeout: [504, "UT"],
  AttemptTimeout: [504, "UT"],
  StreamIdle: [408, "SI"],
};

const SIMPLE = Object.entries(failures).filter(([name]) => !(name in OTHERS)) as [
  string,
  new (m: string) => MeshError,
][];

describe("every failure has its status and flag", () => {
  test.each(SIMPLE)("%s", (name, Failure) => {
    const { answered, line } = rescued(new Failure("Cannot: it is so"));

    expect([answered.status, line["response_flags"]]).toEqual(EXPECTED[name] as never);
    expect(line["response_code_details"]).toBe("Cannot: it is so");
  });

  test("a refused request has the status that the codec asks for", () => {
    expect(rescued(new failures.MalformedRequest(431, "too large")).answered.status).toBe(431);
    expect(rescued(new failures.MalformedRequest(408, "too slow")).line["response_flags"]).toBe("DT");
  });

  test("a policy that faults shuts the door", () => {
    const { answered, line } = rescued(new PolicyFault("default/auth", "trap", "unreachable"));

    expect([answered.status, line["response_flags"]]).toEqual([500, "PF"]);
  });
});

test("our own app is told the reason, a peer the status only", () => {
  const reason = new failures.NoHealthyEndpoint("Cannot pick an endpoint: none is there");

  expect(rescued(reason).answered.body).toContain("Cannot pick an endpoint: none is there");
  expect(rescued(reason).answered.body).toContain("x-mesh-flag: UH");
  expect(rescued(reason, "inbound").answered.body).not.toContain("Cannot pick");
  expect(rescued(reason, "inbound").answered.body).not.toContain("x-mesh");
});

test("a bug is 500 under an id, and only the log has more", () => {
  const { answered, line, logged } = rescued(new TypeError("secret thing is not a function"));

  expect(answered.status).toBe(500);
  expect(answered.body).toContain("bug b-1");
  expect(`${answered.body}${line["response_code_details"]}`).not.toContain("secret");
  expect(logged.join()).toContain("secret thing is not a function");
});

test("a bug behind the end of an exchange is logged, and answered to nobody", () => {
  const double = servingDouble(snapshotOf([]));
  const stream = double.stream({ direction: "outbound", route: () => false });
  const exchange = stream.begin({});

  rescue(new TypeError("too late"), exchange, exchange.generation - 1, double.mesh);

  expect(stream.calls).toEqual([]);
  expect(double.logged.join()).toContain("too late");
});

test("once the response has begun it is cut off, and not replaced", () => {
  const double = servingDouble(snapshotOf([]));
  const stream = double.stream({ direction: "outbound", route: () => false });
  const exchange = stream.begin({});
  stream.responseStarted = true;

  rescue(new failures.UpstreamReset("Cannot get the whole response"), exchange, exchange.generation, double.mesh);

  expect(stream.calls).toEqual(["abort"]);
  expect(double.records()).toMatchObject([{ response_flags: "UC" }]);
});

/** What becomes of a request whose way throws this. */
function rescued(error: Error, direction: "inbound" | "outbound" = "outbound") {
  const double = servingDouble(snapshotOf([]));
  const route = (): never => {
    throw error;
  };
  const stream = double.stream({ direction, route }, { direction });
  stream.begin({});
  return { answered: stream, line: double.records()[0]!, logged: double.logged };
}
