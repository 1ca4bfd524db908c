/** Words that start this very program again: the binary, or Bun with its first source file. */
export function ownCommand(): readonly string[] {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return compiled ? [process.execPath] : [process.execPath, Bun.main];
}

/** The same, and this very version of it even where the binary was replaced since it was started. */
export function sameProgram(): readonly string[] {
  const [program = "", ...words] = ownCommand();
  return words.length === 0 ? ["/proc/self/exe"] : [program, ...words];
}
