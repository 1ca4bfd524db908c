import { Config } from "@extism/as-pdk";
import { textBlock } from "./block";

@external("extism:host/env", "error_set")
declare function error_set(message: u64): void;

/** A value of the plugin's config, or what to take where there is none. */
export function setting(name: string, otherwise: string): string {
  const value = Config.get(name);
  return value === null || value == "" ? otherwise : value;
}

/** A whole number of the config; -1 where what is written is not one. */
export function number(name: string, otherwise: i64): i64 {
  const text = setting(name, otherwise.toString());
  if (text.length == 0 || text.length > 15) return -1;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return -1;
  return I64.parseInt(text);
}

/** Says why the config is no good; return what this returns from `configure`, and the plugin is not loaded. */
export function refuse(reason: string): i32 {
  error_set(textBlock(reason));
  return 1;
}
