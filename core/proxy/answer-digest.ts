/** What is remembered of an answer to compare it with another: no byte of its body. */
export class AnswerDigest {
  status = 0;
  grpcStatus = -1;
  /** Of the body, once `isDone`. */
  hash = "";
  isDone = false;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  readonly #then: (() => void)[] = [];

  add(bytes: Buffer, start: number, end: number): void {
    this.#hasher.update(bytes.subarray(start, end));
  }

  finish(status: number, grpcStatus: number): void {
    if (this.isDone) return;
    this.status = status;
    this.grpcStatus = grpcStatus;
    this.hash = this.#hasher.digest("base64");
    this.isDone = true;
    for (const call of this.#then) call();
  }

  whenDone(call: () => void): void {
    this.#then.push(call);
  }
}

export type Difference = "none" | "status" | "body";

/** Tells how two answers differ, when both are whole; never where one of them is not. */
export function compareAnswers(
  first: AnswerDigest,
  second: AnswerDigest,
  tell: (difference: Difference, status: number, other: number) => void,
): void {
  const compare = (): void => {
    if (first.isDone && second.isDone) tell(differenceOf(first, second), first.status, second.status);
  };
  first.whenDone(compare);
  second.whenDone(compare);
}

function differenceOf(first: AnswerDigest, second: AnswerDigest): Difference {
  if (first.status !== second.status || first.grpcStatus !== second.grpcStatus) return "status";
  return first.hash === second.hash ? "none" : "body";
}
