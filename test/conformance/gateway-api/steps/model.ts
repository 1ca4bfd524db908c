import type { Manifest } from "../manifest.ts";

/**
 * What a test of the suite does, in order, as its YAML file says it. Documents
 * with an apiVersion are applied before; the one with `steps` is this.
 */
export type Step =
  | { readonly apply: readonly Manifest[] }
  | { readonly delete: readonly string[] }
  /** A JSON merge patch of a document. */
  | { readonly patch: string; readonly with: object }
  /** Documents that must be Accepted, with all references resolved; Gateways also Programmed. */
  | { readonly accepted: readonly string[] }
  | StatusStep
  | HttpStep
  | GrpcStep
  | SocketStep;

/** `True`, `False Reason`, `False ReasonA|ReasonB`, or `absent`, by the condition's type. */
export type Conditions = Readonly<Record<string, string | boolean>>;

export interface StatusStep {
  /** `Kind name` or `Kind namespace/name`. */
  readonly status: string;
  readonly conditions?: Conditions;
  /** By name; those not named may say anything. */
  readonly listeners?: Readonly<Record<string, ListenerStatus>>;
  /** How many listeners the status must have. */
  readonly count?: number;
  /** `[namespace/]name[/section][:port]` of a parentRef or ancestorRef. An empty object: no parent says anything. */
  readonly parents?: Readonly<Record<string, Conditions>>;
  /** Addresses of a Gateway: how many, or which. */
  readonly addresses?: number | readonly string[];
  readonly attachedListenerSets?: number;
}

export interface ListenerStatus {
  readonly conditions?: Conditions;
  readonly attached?: number;
  readonly kinds?: readonly string[];
}

/** Where a client stands and goes: to a Gateway, or through the sidecar of a workload. */
export interface Way {
  /** Port of the Gateway. @default 80, with TLS 443 */
  readonly port?: number;
  /** TLS, with this server name; true: without a name. */
  readonly sni?: string | true;
  /** Who proves itself as client. */
  readonly as?: "client" | "stranger";
  /** Root that the other side must prove itself by. @default listener */
  readonly roots?: "listener" | "passthrough" | "backend";
}

export interface HttpStep extends Way {
  /** `[namespace/]name` of a Gateway. */
  readonly http?: string;
  /** Name of the workload whose sidecar sends: `echo-v1`, or `consumer`. */
  readonly mesh?: string;
  /** Where the sidecar is asked to connect: `echo:80`. */
  readonly to?: string;
  readonly requests: readonly Request[];
}

export interface Request extends Way {
  /** @default / */
  readonly path?: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status?: number | readonly number[];
  /** Prefix of the pod's name. */
  readonly backend?: string;
  readonly namespace?: string;
  /** What the backend saw where it differs from what was sent. */
  readonly seen?: {
    readonly path?: string;
    readonly host?: string;
    readonly method?: string;
    readonly proto?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly absent?: readonly string[];
    /** The client certificate is that of the gateway. */
    readonly certificate?: boolean;
    readonly serverName?: string;
    readonly attempts?: number;
  };
  /** Response fields, of several values any; `absent` must not be there. */
  readonly answer?: {
    readonly headers?: Readonly<Record<string, string | readonly string[]>>;
    readonly absent?: readonly string[];
  };
  readonly redirect?: {
    readonly scheme?: string;
    readonly host?: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** No connection, no handshake, or no response. */
  readonly refused?: true;
  /** How often it is sent, and to which share of them a backend answers, or `status 500`, in hundredths. */
  readonly times?: number;
  readonly shares?: Readonly<Record<string, number>>;
  /** Deployments that get a copy: always, or a share of all copies in hundredths. */
  readonly mirrors?: Readonly<Record<string, number>>;
  /** A WebSocket: after the upgrade a frame comes back. */
  readonly websocket?: true;
}

export interface GrpcStep extends Way {
  readonly grpc?: string;
  readonly mesh?: string;
  readonly to?: string;
  readonly calls: readonly Call[];
}

export interface Call {
  readonly call: string;
  readonly host?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly backend?: string;
  readonly namespace?: string;
  readonly code?: number;
  readonly seen?: { readonly headers?: Readonly<Record<string, string>>; readonly absent?: readonly string[] };
  readonly times?: number;
  readonly shares?: Readonly<Record<string, number>>;
}

/** Lines over TCP or TLS, or datagrams. */
export interface SocketStep extends Way {
  readonly tcp?: string;
  readonly udp?: string;
  readonly backend?: string;
  readonly namespace?: string;
  readonly refused?: true;
  readonly times?: number;
  readonly shares?: Readonly<Record<string, number>>;
}
