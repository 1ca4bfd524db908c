/**
 * Why a response was not simply the upstream's: the codes of Envoy's
 * %RESPONSE_FLAGS%, which dashboards know. The number indexes counters.
 */
export const RESPONSE_FLAGS = [
  "-", // nothing to say
  "DPE", // downstream protocol error: malformed request
  "DC", // downstream connection ended early
  "DT", // downstream too slow: head or body deadline
  "NR", // no route
  "NC", // no such cluster: broken backend reference
  "UAEX", // refused by an authentication or authorization policy
  "RL", // rate limited
  "PF", // a policy faulted (ours; Envoy has none)
  "UH", // no healthy endpoint
  "UF", // connect failed
  "UC", // upstream ended the connection
  "UPE", // upstream protocol error
  "UT", // request or attempt deadline
  "URX", // retries used up, or no budget
  "UO", // overflow: a limit of connections or requests
  "DN", // the peer could not prove its identity (ours)
  "SI", // stream idle deadline
  "OM", // shed: this proxy is draining or out of descriptors
  "DI", // delayed on purpose
  "FI", // aborted on purpose
] as const;
export type ResponseFlag = (typeof RESPONSE_FLAGS)[number];
