import { certificates } from "./certificates.ts";
import { type Plane, type PlaneOptions, startPlane } from "./plane.ts";

export const ONE_HOP = "one hop";
export const TWO_HOPS = "two hops with mutual TLS";
/** As two proxies of one mesh do: requests of many connections share few. */
export const SHARED_HOPS = "two hops with shared connections";
/** What lies between a client and the backend. */
export type PathKind = typeof ONE_HOP | typeof TWO_HOPS | typeof SHARED_HOPS;

/** Starts the proxies of a path; what is returned speaks for the first of them. */
export async function startPath(kind: PathKind, backendPort: number, options: PlaneOptions = {}): Promise<Plane> {
  if (kind === ONE_HOP) return await startPlane(backendPort, options);
  await using authority = await certificates();
  const [near, far] = await Promise.all(
    ["near", "far"].map((name) => authority.issue(`spiffe://cluster.local/ns/default/sa/${name}`)),
  );
  const last = await startPlane(backendPort, { ...options, identity: far! });
  const appProtocol = kind === SHARED_HOPS ? "http2" : "http";
  const { config = "" } = options;
  const settings = { identity: near!, transport: "plain", upstreamTls: true, appProtocol, config } as const;
  const first = await startPlane(last.port, settings);
  return {
    ...first,
    get warnings() {
      return [...first.warnings, ...last.warnings];
    },
    get active() {
      return first.active + last.active;
    },
    skip(ms) {
      first.skip(ms);
      last.skip(ms);
    },
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await last[Symbol.asyncDispose]();
    },
  };
}
