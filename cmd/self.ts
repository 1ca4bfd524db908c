/** Words that start this very program again: the binary, or Bun with its first source file. */
export function ownCommand(): readonly string[] {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return compiled ? [process.execPath] : [process.execPath, Bun.main];
}
