import { latin1, MeshError } from "../base/mod.ts";
import type { Verdict } from "../plugin/mod.ts";
import type { ResponseFlag } from "../telemetry/mod.ts";

/** A policy with failure mode `closed` did not answer: the door stays shut. */
export class PolicyFault extends MeshError {
  override readonly name = "PolicyFault";
  readonly code = "MESH_POLICY_FAULT";
  readonly source = "mesh";

  constructor(policy: string, verdict: Verdict) {
    super(
      `Cannot let the request pass: policy "${policy}" faulted (${verdict.reason}${verdict.detail === "" ? "" : `: ${verdict.detail}`})`,
    );
  }
}

/** What an exchange is answered that a policy did not let through. */
export interface Refusal {
  readonly status: number;
  /** Lines with CRLF. */
  readonly fields: Buffer;
  readonly body: Buffer;
  readonly flag: ResponseFlag;
  readonly reason: string;
  /** Set where the refusal is not the policy's own answer but its fault. */
  readonly fault: PolicyFault | null;
}

/** Refusals of answers that were given before: a policy's answers are shared objects. */
const KNOWN = new WeakMap<Verdict, Refusal>();

/** The policy's own answer. 429 counts as rate limited, everything else as denied. */
export function denial(policy: string, verdict: Verdict): Refusal {
  let refusal = KNOWN.get(verdict);
  if (refusal === undefined) {
    refusal = {
      status: verdict.status,
      fields: fieldsOf(verdict),
      body: verdict.body,
      flag: verdict.status === 429 ? "RL" : "UAEX",
      reason: `policy "${policy}" answered ${verdict.status}`,
      fault: null,
    };
    KNOWN.set(verdict, refusal);
  }
  return refusal;
}

export function faultDenial(policy: string, verdict: Verdict): Refusal {
  const fault = new PolicyFault(policy, verdict);
  return { status: 500, fields: latin1(""), body: latin1(""), flag: "PF", reason: fault.message, fault };
}

/** Lines of the policy's headers; retry-after in whole seconds, rounded up, where the policy gave a time (RFC 9110, section 10.2.3). */
function fieldsOf(verdict: Verdict): Buffer {
  const lines = verdict.headers.map(({ line }) => line);
  const said = verdict.headers.some(({ name }) => name === "retry-after");
  if (verdict.retryAfterMs > 0 && !said)
    lines.push(latin1(`retry-after: ${Math.ceil(verdict.retryAfterMs / 1000)}\r\n`));
  return Buffer.concat(lines);
}
