import {
  download,
  GRPC,
  IDENTICAL,
  MULTIPLEXED_IDENTICAL,
  MULTIPLEXED_VARIED,
  SECURED_IDENTICAL,
  SECURED_VARIED,
  VARIED,
  type Workload,
} from "./load.ts";

/** Versions of HTTP. */
export type Version = "http1" | "http2";

/** What is compared. */
export interface Case {
  readonly name: string;
  /** Proxies between load and origin; between two of them is mutual TLS. */
  readonly hops: 1 | 2;
  readonly policy: boolean;
  /** What is in the connections is not read, only copied. */
  readonly bytes?: true;
  /** The load comes by TLS, and shows no certificate: the edge of a mesh. */
  readonly edge?: true;
  /** What the load speaks; also what two proxies speak with each other, where they do not choose themselves. */
  readonly takes: Version;
  /** What the origin speaks. */
  readonly origin: Version;
  /** The first is the one that counts. */
  readonly workloads: readonly Workload[];
  /** Latency of small requests at a fixed rate is measured too, perhaps while a workload runs beside them. */
  readonly paced: boolean;
  readonly beside?: Workload;
  /** Ratios of CPU time that DESIGN asks of us, by peer; they hold for the first workload. */
  readonly reach: Readonly<Record<string, number>>;
}

const SMALL = { policy: false, takes: "http1", origin: "http1", workloads: [VARIED, IDENTICAL], paced: true } as const;
const CALLS = { policy: false, takes: "http2", origin: "http2", workloads: [GRPC], paced: false } as const;
const LARGE = { ...SMALL, workloads: [download(1), download(16)], beside: download(16) } as const;

const COPY = { ...LARGE, workloads: [download(16), download(1)], bytes: true } as const;

export const CASES: readonly Case[] = [
  { ...SMALL, name: "one hop", hops: 1, reach: { HAProxy: 1.0, Envoy: 0.4 } },
  { ...SMALL, name: "one hop, one policy", hops: 1, policy: true, reach: {} },
  {
    ...SMALL,
    name: "gateway, TLS ended, one hop",
    hops: 1,
    edge: true,
    workloads: [SECURED_VARIED, SECURED_IDENTICAL],
    paced: false,
    reach: {},
  },
  { ...SMALL, name: "mutual TLS, two hops", hops: 2, reach: { HAProxy: 0.6, Envoy: 0.35 } },
  {
    ...SMALL,
    name: "HTTP/2, one hop",
    hops: 1,
    takes: "http2",
    workloads: [MULTIPLEXED_VARIED, MULTIPLEXED_IDENTICAL],
    paced: false,
    reach: { HAProxy: 1.2, Envoy: 0.7 },
  },
  { ...CALLS, name: "gRPC, one hop", hops: 1, reach: { HAProxy: 1.2, Envoy: 0.7 } },
  { ...CALLS, name: "gRPC, mutual TLS, two hops", hops: 2, reach: {} },
  { ...LARGE, name: "large bodies, one hop", hops: 1, reach: {} },
  { ...COPY, name: "bytes copied, one hop", hops: 1, reach: { HAProxy: 1.5 } },
  { ...COPY, name: "bytes copied, mutual TLS, two hops", hops: 2, reach: {} },
  { ...LARGE, name: "large bodies, mutual TLS, two hops", hops: 2, reach: {} },
];

/** The case without a policy that a case with one is compared with. */
export function withoutPolicy(kind: Case): Case {
  return CASES.find(({ name }) => kind.name === `${name}, one policy`)!;
}
