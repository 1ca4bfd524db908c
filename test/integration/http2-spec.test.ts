import { expect } from "bun:test";
import { buildH2spec } from "../harness/h2spec.ts";
import { certificates, ok, startBackend, testUnless } from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";

const h2spec = await buildH2spec();

/**
 * The suite begins a connection with what is no HTTP at all. A listener that
 * speaks HTTP/1.1 too answers 400 and closes, where the suite can read frames only.
 */
const NOT_A_PREFACE = "http2/3.5/2";

testUnless(typeof h2spec === "string" ? h2spec : null)(
  "h2spec is content with the TLS and the cleartext listener",
  async () => {
    if (typeof h2spec === "string") return;
    await using suite = h2spec;
    await using ca = await certificates();
    const { certificate, privateKey } = await ca.issue("spiffe://cluster.local/ns/default/sa/web");
    await using backend = await startBackend(ok("hello"));
    await using plain = await startPlane(backend.port);
    await using secure = await startPlane(backend.port, { identity: { certificate, privateKey, bundle: null } });

    expect(await suite.run(secure.port, true)).toEqual({ tests: 146, failed: [] });
    expect(await suite.run(plain.port, false)).toEqual({ tests: 146, failed: [NOT_A_PREFACE] });
    expect([...plain.warnings, ...secure.warnings]).toEqual([]);
  },
);
