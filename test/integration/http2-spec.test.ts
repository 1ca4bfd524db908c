import { expect } from "bun:test";
import { buildH2spec } from "../harness/h2spec.ts";
import { certificates, ok, startBackend, testUnless } from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";

const h2spec = await buildH2spec();

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
    expect(await suite.run(plain.port, false)).toEqual({ tests: 146, failed: [] });
    expect([...plain.warnings, ...secure.warnings]).toEqual([]);
  },
);
