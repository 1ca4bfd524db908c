/*
 * Host names of listeners and routes: lower case, may begin with "*.", and ""
 * is every host. A wildcard stands for one label or more (Gateway API).
 */

/**
 * The hosts that a listener and a route have in common, each once: what the
 * route is served under there. A route without hosts takes those of the
 * listener.
 */
export function commonHosts(listener: string, route: readonly string[]): readonly string[] {
  if (route.length === 0) return [listener];
  const common = route.flatMap((host) => narrower(listener, host.toLowerCase()) ?? []);
  return [...new Set(common)];
}

/** True where some host is of both. */
export function hostsOverlap(a: string, b: string): boolean {
  return narrower(a, b) !== null;
}

/** The narrower of two hosts that overlap. */
function narrower(a: string, b: string): string | null {
  if (a === b || covers(b, a)) return a;
  return covers(a, b) ? b : null;
}

function covers(wide: string, narrow: string): boolean {
  if (wide === "") return true;
  if (!wide.startsWith("*.") || narrow === "") return false;
  const suffix = wide.slice(1);
  return narrow.length > suffix.length && narrow.endsWith(suffix) && narrow !== wide;
}
