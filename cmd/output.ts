import { choice, type Flag, withDefault } from "./flag.ts";

/** `-o`: a table for people, JSON for programs. */
export function outputFlag(): Flag<"table" | "json"> {
  const spelling = { short: "o", hint: "FORMAT", about: "table for people, json for programs" };
  return withDefault(choice(["table", "json"], spelling), "table");
}
