import type { z } from "zod";
import { foundText, nearest, type Path, type Problem, pathText } from "../config/mod.ts";
import { keyOffsetOf, offsetOf, type YamlRoot } from "./source.ts";

type Issue = z.core.$ZodIssue;

/** What an issue says, before it has a file and a line; `offset` is in the document's text. */
export type Finding = Pick<Problem, "path" | "found" | "expected" | "message"> & { readonly offset: number };

/** Makes findings of what a schema says about a document; `prefix` is where the schema's root stands in it. */
export function findingsOf(issues: readonly Issue[], raw: unknown, root: YamlRoot, prefix: Path): Finding[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") return unknownFields(issue, root, prefix);
    const path = stepsOf(issue.path);
    const found = isHidden(issue) ? HIDDEN : valueAt(raw, path);
    const offset = offsetOf(root, [...prefix, ...path]);
    if (issue.code === "custom" && issue.params?.["unsupported"] === true) return [unsupportedAt(issue, path, offset)];
    if (issue.code === "invalid_key")
      return [wrongKey(issue, path, keyOffsetOf(root, [...prefix, ...path.slice(0, -1)], String(path.at(-1))))];
    return [unexpected(pathText(path), found, expectedOf(issue), offset)];
  });
}

/** Stands for a value that problems must not show. */
const HIDDEN = Symbol("hidden");

function isHidden(issue: Issue): boolean {
  return issue.code === "custom" && issue.params?.["hidden"] === true;
}

function unknownFields(issue: Issue & { code: "unrecognized_keys" }, root: YamlRoot, prefix: Path): Finding[] {
  const at = stepsOf(issue.path);
  const known = issue.message.split(",");
  return issue.keys.map((key) => {
    const path = pathText([...at, key]);
    const meant = nearest(key, known);
    const message = `${path} is not a field${meant === null ? `; the fields are ${known.join(", ")}` : `; did you mean ${meant}?`}`;
    const offset = keyOffsetOf(root, [...prefix, ...at], key);
    return { path, found: key, expected: known.join(", "), message, offset };
  });
}

function wrongKey(issue: Issue & { code: "invalid_key" }, at: Path, offset: number): Finding {
  const expected = issue.issues[0]?.message ?? "another key";
  const found = foundText(at.at(-1));
  const path = pathText(at);
  return { path, found, expected, message: `${path} must have ${expected} as its key`, offset };
}

function unsupportedAt(issue: Issue, at: Path, offset: number): Finding {
  const path = pathText(at);
  return {
    path,
    found: issue.message,
    expected: "",
    message: `${path}: ${issue.message} is not supported by this version`,
    offset,
  };
}

function unexpected(path: string, value: unknown, expected: string, offset: number): Finding {
  const found = value === HIDDEN ? "" : foundText(value);
  const state = value === undefined ? "it is missing" : found === "" ? "it is not" : `current value is ${found}`;
  return { path, found, expected, message: `${path || "the document"} must be ${expected}: ${state}`, offset };
}

/** Names of zod's types for people; what is not here has its expectation as its message. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text (put it in quotes)",
  object: "an object",
  record: "an object",
  array: "a list",
  boolean: "true or false",
  number: "a number",
};

function expectedOf(issue: Issue): string {
  if (issue.code === "invalid_type") return TYPE_NAMES[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return oneOf(issue.values.map(String));
  return issue.message;
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : `one of ${values.join(", ")}`;
}

function stepsOf(path: readonly PropertyKey[]): Path {
  return path.map((step) => (typeof step === "number" ? step : String(step)));
}

function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
