import { z } from "zod";
import { defineKind, documentSchema } from "../define.ts";
import {
  ALWAYS,
  distinct,
  dnsLabel,
  duration,
  expect,
  labels,
  object,
  optional,
  text,
  value,
  wholeNumber,
  withDefault,
} from "../field.ts";
import { policyTargets } from "../target.ts";
import { healthCheck, time } from "./health-check.ts";

const percent = () =>
  value("a number from 0 to 100", (input) => (typeof input === "number" && input >= 0 && input <= 100 ? input : null));

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}$/;
const fieldName = () => text("a name of letters, digits and -", (name) => TOKEN.test(name));

const cookie = object({
  name: fieldName(),
  /** A cookie that is missing is set, and lasts so long; "0s": for the session of the browser. Left out: none is set. */
  ttl: optional(duration()),
  path: optional(text("a path", (path) => /^\/[!-:<-~]*$/.test(path))),
});

const hashKey = object({
  header: optional(fieldName()),
  cookie: optional(cookie),
  queryParam: optional(text("the name of a parameter", (name) => name !== "")),
  sourceAddress: optional(z.literal(true)),
}).superRefine((key, context) => {
  const given = Object.values(key).filter((part) => part !== undefined);
  if (given.length !== 1) expect(context, "exactly one of header, cookie, queryParam and sourceAddress");
}, ALWAYS);

const HASHING: ReadonlySet<string> = new Set(["RingHash", "Maglev"]);

const loadBalancer = object({
  type: optional(z.enum(["RoundRobin", "Random", "LeastRequest", "PeakEWMA", "RingHash", "Maglev"])),
  /** What a consistent hash is made of: the first that the request has. */
  hashOn: withDefault(z.array(hashKey), []),
  /** A new endpoint gets its share over this time. */
  slowStart: optional(object({ window: time(), minimumPercent: withDefault(percent(), 10) })),
  locality: optional(
    object({
      mode: withDefault(z.enum(["Failover", "None"]), "Failover"),
      /** Regions to turn to, in order, after the own one. */
      order: withDefault(z.array(text("a region", (region) => region !== "" && !region.includes("/"))), []),
      /** Share of healthy endpoints below which a locality gives part of its requests away. */
      spillBelowPercent: optional(percent()),
    }),
  ),
  /** Share of healthy endpoints below which all are tried. */
  panicPercent: optional(percent()),
}).superRefine(({ type, hashOn }, context) => {
  const isHashing = type !== undefined && HASHING.has(type);
  if (hashOn.length > 0 && !isHashing) expect(context, "RingHash or Maglev where hashOn is given", ["type"]);
  if (hashOn.length === 0 && isHashing) expect(context, "a list of what the hash is made of", ["hashOn"]);
}, ALWAYS);

const count = () => wholeNumber(1, 1_000_000);

const limits = object({
  /** Connections to one endpoint, per worker of a proxy. */
  connectionsPerEndpoint: optional(count()),
  /** Requests under way at the Service, per worker of a proxy. */
  requests: optional(count()),
  /** Requests that may wait for their turn or a connection. */
  pending: optional(wholeNumber(0, 1_000_000)),
  /** How long one waits for its turn. */
  pendingTimeout: optional(time()),
  requestsPerConnection: optional(count()),
});

const ejection = object({
  /** Failures in a row; 0: never for that. */
  consecutiveErrors: withDefault(wholeNumber(0, 10_000), 5),
  interval: withDefault(time(), 10_000),
  /** An endpoint with fewer in an interval is not judged by rate or latency. */
  minimumRequests: withDefault(count(), 20),
  successRatePercent: optional(percent()),
  /** Median latency this many times that of the peers. */
  latencyFactor: optional(
    value("a number above 1", (input) => (typeof input === "number" && input > 1 && input <= 1000 ? input : null)),
  ),
  baseTime: withDefault(time(), 10_000),
  maxTime: withDefault(time(), 300_000),
  maxPercent: withDefault(percent(), 50),
});

const backoff = object({ base: time(), max: optional(time()) }).superRefine(({ base, max }, context) => {
  if (max !== undefined && max < base) expect(context, "at least backoff.base", ["max"]);
});

const retry = object({
  /** Attempts after the first. */
  attempts: withDefault(wholeNumber(0, 10), 2),
  statuses: optional(z.array(wholeNumber(400, 599))),
  grpcStatuses: optional(z.array(wholeNumber(1, 16))),
  on: optional(z.array(z.enum(["connect-failure", "reset", "timeout", "refused"]))),
  perTryTimeout: optional(time()),
  backoff: optional(backoff),
  /** Also requests whose method must not be repeated: the author knows that it may. */
  anyMethod: optional(z.boolean()),
});

const retryBudget = object({
  /** Retries for each hundred requests. */
  percent: withDefault(percent(), 20),
  minPerSecond: withDefault(wholeNumber(0, 1_000_000), 10),
});

const hedge = object({ after: time(), attempts: withDefault(wholeNumber(1, 5), 1) });

const timeouts = object({
  /** From the head of a request to the last byte of its response; "0s": none. */
  request: optional(duration()),
  /** One attempt. */
  backendRequest: optional(time()),
  connect: optional(time()),
  /** An unused connection is closed after it. */
  idle: optional(time()),
  /** From the end of a request to the head of its response. */
  response: optional(time()),
  /** A connection takes no new requests after this age. */
  connectionAge: optional(time()),
});

const subset = object({ name: dnsLabel(), labels: labels() });

const spec = object({
  targetRefs: policyTargets(),
  loadBalancer: optional(loadBalancer),
  /** Groups of the Service's endpoints, which a backendRef of kind Subset names: `<service>.<subset>`. */
  subsets: withDefault(distinct(z.array(subset), "name"), []),
  limits: optional(limits),
  ejection: optional(ejection),
  healthCheck: optional(healthCheck),
  retry: optional(retry),
  retryBudget: optional(retryBudget),
  hedge: optional(hedge),
  /** What mirrors answer is compared with what the client got; differences are counted and logged. */
  compareMirrors: optional(z.boolean()),
  timeouts: optional(timeouts),
});

export const trafficPolicy = defineKind({
  kind: "TrafficPolicy",
  apiVersions: ["mesh.dev/v1"],
  scope: "Namespaced",
  schema: documentSchema({ spec }),
  summary: ({ spec: { targetRefs, ...spec } }) => {
    const said = Object.entries(spec).filter(([, part]) => part !== undefined && !isEmpty(part));
    return `${said.map(([field]) => field).join(", ") || "nothing"} of ${targetRefs.map((ref) => `${ref.kind}/${ref.name}`).join(", ")}`;
  },
});

function isEmpty(part: unknown): boolean {
  return Array.isArray(part) && part.length === 0;
}
