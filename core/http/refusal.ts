import type { Fields } from "./head.ts";

/** The head is not whole yet; ask again with more bytes. */
export const INCOMPLETE = 0;
/** The bytes are not HTTP/1 as we take it: 400 and close. `problem` says why. */
export const REFUSED = -1;
/** The head is over a limit: 431. */
export const TOO_LARGE = -2;
/** Well-formed, but asks for a transfer coding or version we do not have: 501 or 505. */
export const UNSUPPORTED = -3;

export function refuse(head: Fields, problem: string): typeof REFUSED {
  head.problem = problem;
  return REFUSED;
}

export function tooLarge(head: Fields, problem: string): typeof TOO_LARGE {
  head.problem = problem;
  return TOO_LARGE;
}

export function unsupported(head: Fields, problem: string): typeof UNSUPPORTED {
  head.problem = problem;
  return UNSUPPORTED;
}
