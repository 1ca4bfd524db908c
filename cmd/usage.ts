/** The words typed make no sense; the message says which. Ends with exit code 64. */
export class Usage extends Error {
  override readonly name = "Usage";

  constructor(problem: string) {
    super(`Cannot read the command line: ${problem}; "mesh --help" lists the verbs`);
  }
}
