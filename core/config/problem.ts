/** Steps from the root of a document to a value: field names and indexes. */
export type Path = readonly (string | number)[];

/**
 * `error`: cannot be run as written, the configuration before stays.
 * `warning`: runs, but some part of it has no effect or answers with errors.
 */
export type Severity = "error" | "warning";

/** One thing that is wrong with what a user wrote: plain data, so it is printed, sent and stored as it stands. */
export interface Problem {
  readonly severity: Severity;
  /** As it was named to us; empty where there is none. */
  readonly file: string;
  /** From 1; 0 where the problem is of the whole file. */
  readonly line: number;
  readonly column: number;
  /** `spec.rules[0].name`; empty where the problem is of the whole document. */
  readonly path: string;
  /** The value as it stands, shortened; empty where it does not matter. */
  readonly found: string;
  /** What may stand there; empty where nothing would do. */
  readonly expected: string;
  /** The sentence for people; it names the path. */
  readonly message: string;
}

/** A problem of a whole file or of a value without a file, unless `more` says where. */
export function problemOf(file: string, message: string, more: Partial<Omit<Problem, "message">> = {}): Problem {
  const nowhere = { severity: "error", line: 0, column: 0, path: "", found: "", expected: "" } as const;
  return { ...nowhere, file, ...more, message: oneLine(message) };
}

/** A message quotes what a file holds: that must not move the cursor of the terminal it is read on. */
function oneLine(message: string): string {
  return message.replace(/ ?[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

/** The way a path reads in messages: `spec.rules[0]`, `metadata.labels["example.com/app"]`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

const FOUND_LIMIT = 80;

/** The way a found value reads in messages: JSON, shortened. */
export function foundText(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > FOUND_LIMIT ? `${text.slice(0, FOUND_LIMIT)}…` : text;
}

/** Orders problems as their author meets them: by file, line, column. */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted(
    (a, b) =>
      compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.message, b.message),
  );
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}

/** Orders by code units: the same on every machine, whatever its locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
