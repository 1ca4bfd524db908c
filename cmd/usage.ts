/** The words typed make no sense; the message says which. Ends with exit code 64. */
export class Usage extends Error {
  override readonly name = "Usage";
  /** The verb whose help says more; empty for the list of verbs. */
  readonly verb: string;

  constructor(problem: string, verb = "") {
    super(`Cannot read the command line: ${problem}; ${verb === "" ? '"mesh help"' : `"mesh help ${verb}"`} says more`);
    this.verb = verb;
  }
}
