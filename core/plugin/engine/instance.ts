import { messageOf } from "../../base/mod.ts";
import type { RequestHead } from "../../http/mod.ts";
import { type KernelExports, KernelWord, startKernel } from "../kernel/mod.ts";
import type { RequestFacts } from "../plugin.ts";
import { type FaultReason, fault, type Verdict, VerdictKind } from "../verdict.ts";
import { FUEL_GET, FUEL_SET, START } from "../wasm/mod.ts";
import type { AnswerReader } from "./answer.ts";
import { Host, type HostParts, type Tank } from "./host.ts";
import type { RequestJson } from "./request-json.ts";

/** The function a policy must export. */
export const ON_REQUEST = "on_request";
/** Called once after instantiation where a policy exports it; not 0 means that its config is no good. */
const CONFIGURE = "configure";
/** What reactors built with C++, TinyGo or Go want called first. */
const INITIALIZE = "_initialize";

type GuestFunction = () => unknown;

/** What a call of a guest came to: nothing, or why not. */
interface Failure {
  readonly reason: FaultReason;
  readonly detail: string;
}

/**
 * A guest with its kernel: one per plugin and worker, calls cannot overlap.
 * Globals and heap of the guest stay from call to call, the kernel's memory
 * does not. After a trap nobody knows what state the guest is in: `isSound`
 * is false, and it must be thrown away.
 */
export class Instance {
  readonly #kernel: KernelExports;
  readonly #host: Host;
  readonly #tank: Tank;
  readonly #exports: Readonly<Record<string, unknown>>;
  readonly #onRequest: GuestFunction;
  readonly #json: RequestJson;
  readonly #answers: AnswerReader;
  #memory: Buffer;
  #words: Int32Array;
  isSound = true;
  /** Units that the last call used. */
  fuelUsed = 0;

  constructor(kernel: WebAssembly.Module, guest: WebAssembly.Module, tools: InstanceTools) {
    this.#kernel = startKernel(kernel);
    this.#host = new Host(this.#kernel, tools.host);
    this.#exports = new WebAssembly.Instance(guest, this.#host.imports()).exports;
    this.#tank = { get: this.#exports[FUEL_GET] as Tank["get"], set: this.#exports[FUEL_SET] as Tank["set"] };
    this.#host.attach(this.#tank);
    this.#onRequest = this.#exports[ON_REQUEST] as GuestFunction;
    this.#json = tools.json;
    this.#answers = tools.answers;
    this.#memory = Buffer.from(this.#kernel.memory.buffer);
    this.#words = new Int32Array(this.#kernel.memory.buffer, 0, 4);
  }

  /** Runs what a guest wants to run before its first request. Returns what went wrong, or null. */
  start(fuel: number): Verdict | null {
    for (const name of [START, INITIALIZE, CONFIGURE]) {
      const call = this.#exports[name];
      if (typeof call !== "function") continue;
      this.#kernel.begin(1);
      this.#kernel.seal(0);
      const failure = this.#call(call as GuestFunction, fuel);
      if (failure !== null) return fault("start", `${name} failed: ${failure.detail}`);
    }
    return null;
  }

  /** Puts one request to the guest. Allocates nothing where the answer is one it gave lately. */
  onRequest(head: RequestHead, facts: RequestFacts, fuel: number): Verdict {
    const most = this.#json.most(head, facts);
    const input = this.#kernel.begin(most);
    if (input === 0) return fault("input", `${most} bytes do not fit`);
    const end = this.#json.write(this.#view(), input, head, facts);
    this.#kernel.seal(end - input);
    const failure = this.#call(this.#onRequest, fuel);
    if (failure !== null) return fault(failure.reason, failure.detail);
    const memory = this.#view();
    return this.#answers.read(memory, this.#words[KernelWord.Output]!, this.#words[KernelWord.OutputLength]!);
  }

  /** The same, without effect on counters that others see. */
  rehearse(head: RequestHead, facts: RequestFacts, fuel: number): Verdict {
    this.#host.rehearsal = true;
    const verdict = this.onRequest(head, facts, fuel);
    this.#host.rehearsal = false;
    return verdict;
  }

  #call(call: GuestFunction, fuel: number): Failure | null {
    this.#host.misuse = "";
    this.#tank.set(fuel);
    let failure: Failure | null = null;
    try {
      if (call()) failure = { reason: "error", detail: "it returned a value that is not 0" };
    } catch (error) {
      this.isSound = false;
      failure = trapped(error, this.#tank.get());
    }
    this.fuelUsed = fuel - Math.max(0, this.#tank.get());
    if (this.#host.misuse !== "") {
      this.isSound = false;
      return { reason: "trap", detail: this.#host.misuse };
    }
    if (this.isSound && this.#errorLength() > 0) return { reason: "error", detail: this.#error() };
    return failure;
  }

  #errorLength(): number {
    this.#view();
    return this.#words[KernelWord.ErrorLength]!;
  }

  #error(): string {
    const start = this.#words[KernelWord.Error]!;
    return this.#memory.utf8Slice(start, start + Math.min(this.#errorLength(), 512));
  }

  #view(): Buffer {
    // A memory that has grown leaves an empty buffer behind.
    if (this.#memory.length === 0) {
      this.#memory = Buffer.from(this.#kernel.memory.buffer);
      this.#words = new Int32Array(this.#kernel.memory.buffer, 0, 4);
    }
    return this.#memory;
  }
}

/** What an instance shares with the ones before and after it. */
export interface InstanceTools {
  readonly host: HostParts;
  readonly json: RequestJson;
  readonly answers: AnswerReader;
}

function trapped(error: unknown, fuelLeft: number): Failure {
  if (fuelLeft < 0) return { reason: "fuel", detail: "it used up its fuel" };
  if (error instanceof RangeError) return { reason: "stack", detail: "its recursion is too deep" };
  return { reason: "trap", detail: messageOf(error) };
}

export function isFault(verdict: Verdict): boolean {
  return verdict.kind === VerdictKind.Fault;
}
