import { isDnsSubdomain } from "../core/config/mod.ts";
import { type Flag, list, valued } from "./flag.ts";

/** Names of Gateways, as often as there are. */
export function gatewayNames(about: string): Flag<readonly string[]> {
  return list(valued("a Gateway like NAME or NAMESPACE/NAME, or *", parse, { hint: "NAME", about }));
}

function parse(given: string): string | null {
  const parts = given.split("/");
  return given === "*" || (parts.length <= 2 && parts.every(isDnsSubdomain)) ? given : null;
}

/** Names as the mesh has them: a bare one is of the namespace. */
export function qualified(names: readonly string[], namespace: string): readonly string[] {
  return names.map((name) => (name === "*" || name.includes("/") ? name : `${namespace}/${name}`));
}
