import { version } from "../package.json";
import { Usage } from "./usage.ts";

/** `mesh version [-o json]` */
export function run(args: readonly string[]): number {
  const format = args.join(" ");
  if (format !== "" && format !== "-o json") throw new Usage(`version does not take "${format}"`);
  console.log(format === "" ? `mesh ${version}` : JSON.stringify({ version, bun: Bun.version }));
  return 0;
}
