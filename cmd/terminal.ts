/** Colours by what they mean here. */
const CODES = { good: 32, bad: 31, warn: 33, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof CODES;

/** Paints text, or leaves it as it is where nobody would see the colour. */
export type Paint = (text: string, colour: Colour) => string;

export const plain: Paint = (text) => text;

/** For standard output: colours on a terminal that wants them. */
export function painter(): Paint {
  const wanted = process.stdout.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  return wanted ? (text, colour) => `\u001b[${CODES[colour]}m${text}\u001b[0m` : plain;
}
