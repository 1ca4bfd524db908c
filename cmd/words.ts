import { parseArgs } from "node:util";
import { nearest } from "../core/config/mod.ts";
import { BadValue, type Flag } from "./flag.ts";
import { Usage } from "./usage.ts";
import { type AnyVerb, type FlagTable, flagName, type Words } from "./verb.ts";

/** Values of environment variables, for flags that were not given. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads what was typed after a verb.
 *
 * @throws {Usage} at the first word that makes no sense.
 */
export function readWords(name: string, verb: AnyVerb, args: readonly string[], env: Environment): Words<FlagTable> {
  const { given, operands, command } = sort(name, verb, args);
  checkOperands(name, verb, operands);
  if (command.length > 0 && verb.command === undefined)
    throw new Usage(`${name} runs no command: nothing may follow "--"`, name);
  return { flags: readFlags(name, verb.flags as FlagTable, given, env), operands, command };
}

/** True where help was asked for, before any "--". */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).some((word) => word === "--help" || word === "-h");
}

interface Sorted {
  /** Values as typed, by property; a switch has an empty one. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
  readonly command: readonly string[];
}

function sort(name: string, verb: AnyVerb, args: readonly string[]): Sorted {
  const end = args.indexOf("--");
  const command = end < 0 ? [] : args.slice(end + 1);
  const properties = new Map(Object.keys(verb.flags).map((property) => [flagName(property), property]));
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokensOf(verb.flags as FlagTable, end < 0 ? args : args.slice(0, end))) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const property = properties.get(token.name);
    if (property === undefined) throw unknownFlag(name, token.rawName, properties);
    const flag = verb.flags[property] as Flag<unknown>;
    const values = given.get(property) ?? [];
    if (values.length > 0 && !flag.repeats) throw new Usage(`${token.rawName} is given more than once`, name);
    given.set(property, [...values, typedValue(name, flag, token)]);
  }
  return { given, operands, command };
}

/** Unknown flags are tokens too: the error about them is ours. */
function tokensOf(flags: FlagTable, args: readonly string[]) {
  const options = Object.entries(flags).map(([property, { hint, short }]) => {
    const type = hint === "" ? ("boolean" as const) : ("string" as const);
    return [flagName(property), { type, multiple: true, ...(short === "" ? {} : { short }) }] as const;
  });
  const config = { args: [...args], options: Object.fromEntries(options), strict: false, tokens: true } as const;
  return parseArgs({ ...config, allowPositionals: true }).tokens;
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function typedValue(name: string, { hint }: Flag<unknown>, { rawName, value, inlineValue }: OptionToken): string {
  if (hint === "") {
    if (value === undefined) return "";
    throw new Usage(`${rawName} takes no value: current value is "${value}"`, name);
  }
  // "--token --wait" is a forgotten value, not a token that is called "--wait".
  const forgotten = value === undefined || (inlineValue !== true && value.length > 1 && value.startsWith("-"));
  if (forgotten) throw new Usage(`${rawName} needs a value: ${rawName} ${hint}`, name);
  return value;
}

function unknownFlag(verb: string, typed: string, properties: ReadonlyMap<string, string>): Usage {
  const meant = nearest(typed.replace(/^-+/, ""), [...properties.keys()]);
  return new Usage(`${verb} has no flag ${typed}${meant === null ? "" : `; did you mean --${meant}?`}`, verb);
}

function checkOperands(name: string, { operands = [] }: AnyVerb, given: readonly string[]): void {
  const missing = operands.find((word, i) => !word.startsWith("[") && given[i] === undefined);
  if (missing !== undefined) throw new Usage(`${missing} is missing`, name);
  const extra = given[operands.length];
  if (extra !== undefined && !operands.at(-1)?.includes("…")) throw new Usage(`${name} does not take "${extra}"`, name);
}

function readFlags(
  name: string,
  flags: FlagTable,
  given: Sorted["given"],
  env: Environment,
): Words<FlagTable>["flags"] {
  const values = Object.entries(flags).map(([property, flag]) => {
    const fromEnvironment = flag.env === "" ? undefined : env[flag.env] || undefined;
    const texts = given.get(property) ?? (fromEnvironment === undefined ? [] : [fromEnvironment]);
    const source = given.has(property) || fromEnvironment === undefined ? `--${flagName(property)}` : flag.env;
    return [property, readFlag(name, source, flag, texts)];
  });
  return Object.fromEntries(values);
}

function readFlag(name: string, source: string, flag: Flag<unknown>, texts: readonly string[]): unknown {
  try {
    return flag.read(texts);
  } catch (error) {
    if (error instanceof BadValue) throw new Usage(`${source} ${error.message}`, name);
    throw error;
  }
}
