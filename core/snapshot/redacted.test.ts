import { expect, test } from "bun:test";
import type { Resource } from "./model.ts";
import { redacted } from "./redacted.ts";

test("a gateway is shown without its private keys, and is otherwise what it was", () => {
  const pair = { certificate: "certificate", privateKey: "secret" };
  const tls = { mode: "Terminate" as const, certificates: [pair] };
  const listeners = [
    { name: "a", hostname: "", tls },
    { name: "b", hostname: "b" },
  ];
  const model = {
    name: "default/edge",
    addresses: [],
    ports: [{ port: 443, transport: "tls" as const, listeners }],
    backendCertificate: pair,
  };
  const gateway: Resource = { kind: "gateway", name: "default/edge", version: "1", model };

  expect(JSON.stringify(gateway).replaceAll("secret", "(hidden)")).toBe(JSON.stringify(redacted(gateway)));
  expect(JSON.stringify(gateway)).toContain("secret");
});
