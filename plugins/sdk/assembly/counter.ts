import { textBlock } from "./block";

@external("extism:host/user", "mesh_rate")
declare function mesh_rate(key: u64, limit: i64, windowMs: i64, cost: i64): i64;

@external("extism:host/user", "mesh_counter_add")
declare function mesh_counter_add(key: u64, delta: i64): i64;

/**
 * Takes `cost` tokens from a bucket that all workers of a proxy share; it holds
 * `limit` and fills up in `windowMs`. Returns what is left, or the negative of
 * the milliseconds to wait.
 */
export function rate(key: string, limit: i64, windowMs: i64, cost: i64 = 1): i64 {
  return mesh_rate(handle(key), limit, windowMs, cost);
}

/** Adds to a sum that all workers share, and returns it. */
export function count(key: string, delta: i64 = 1): i64 {
  return mesh_counter_add(handle(key), delta);
}

/** An empty text has no block, so every key begins with a mark. */
function handle(key: string): u64 {
  return textBlock("=" + key);
}
