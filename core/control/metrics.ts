/** What the control plane counts; the app exports it. Plain numbers, read at any time. */
export interface ControlCounts {
  /** Streams of proxies that are open now. */
  streamsOpen: number;
  /** Updates sent. */
  pushes: number;
  acks: number;
  nacks: number;
  /** Certificates signed, the control plane's own included. */
  certificatesIssued: number;
  /** Joins and streams that were refused. */
  refusals: number;
  /** Compiled revisions that replaced another. */
  revisions: number;
  /** Config problems of severity error, now. */
  configProblems: number;
  /** Workloads in the registry now. */
  registrations: number;
}

/** Called as things happen, for what a plain number cannot tell. */
export interface ControlObserver {
  /** A proxy confirmed a revision so long after it was published. */
  converged?(ms: number): void;
}

export function newCounts(): ControlCounts {
  return {
    streamsOpen: 0,
    pushes: 0,
    acks: 0,
    nacks: 0,
    certificatesIssued: 0,
    refusals: 0,
    revisions: 0,
    configProblems: 0,
    registrations: 0,
  };
}
