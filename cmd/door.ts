import type { ControlPlaneOptions } from "../core/app/control/mod.ts";
import { type Address, parseAddress } from "../core/config/mod.ts";
import { type Flag, valued } from "./flag.ts";
import type { Given } from "./verb.ts";

/** Where a side door is; "off" leaves it shut. */
type Where = Address | "off";

const USUAL = { admin: "127.0.0.1:15000", health: "127.0.0.1:15021", metrics: "127.0.0.1:15090" } as const;

/** Flags of every role that runs. A usual address that is taken, by another role of the same machine, gives way. */
export const DOOR_FLAGS = {
  admin: door("the operator's page", USUAL.admin),
  health: door("/live and /ready", USUAL.health),
  metrics: door("metrics for Prometheus", USUAL.metrics),
} as const;

export function doorsOf(flags: Given<typeof DOOR_FLAGS>): ControlPlaneOptions["doors"] {
  return {
    admin: openAt(flags.admin, "admin"),
    health: openAt(flags.health, "health"),
    metrics: openAt(flags.metrics, "metrics"),
  };
}

function openAt(where: Where | null, kind: keyof typeof USUAL) {
  if (where === "off") return null;
  return where === null ? { address: parseAddress(USUAL[kind])!, free: true } : { address: where, free: false };
}

function door(about: string, usual: string): Flag<Where | null> {
  const parse = (text: string): Where | null => (text === "off" ? "off" : parseAddress(text));
  const flag = valued('an address like "127.0.0.1:15000", or off', parse, {
    hint: "ADDR",
    about: `${about}; off for none`,
  });
  // Shown in help, and not read as if it were given: an address that was given does not give way.
  return { ...flag, fallback: usual };
}
