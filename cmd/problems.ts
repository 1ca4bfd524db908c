import type { Problem } from "../core/config/mod.ts";
import { tableText } from "./table.ts";
import { type Paint, painter } from "./terminal.ts";

/** Tells problems for people on standard output, with a last line that counts them; `of` is what was looked at. */
export function printProblems(problems: readonly Problem[], of: string): void {
  const paint = painter();
  if (problems.length > 0) console.log(`${problemText(problems, paint)}\n`);
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  const counted = [counting(errors, "error"), counting(warnings, "warning")].filter((text) => text !== "");
  console.log(`${of}: ${counted.length === 0 ? paint("no problems", "good") : counted.join(", ")}`);
}

/** A table of problems: where, how bad, and the sentence that names path, what was found and what may stand there. */
export function problemText(problems: readonly Problem[], paint: Paint): string {
  const rows = problems.map(({ file, line, column, severity, message }) => [
    line === 0 ? file : `${file}:${line}:${column}`,
    paint(severity, severity === "error" ? "bad" : "warn"),
    message,
  ]);
  return tableText(["where", "severity", "problem"], rows);
}

function counting(count: number, noun: string): string {
  return count === 0 ? "" : `${count} ${noun}${count === 1 ? "" : "s"}`;
}
