import { expect, test } from "bun:test";
import { systemClock } from "../../core/base/mod.ts";
import { Conversation } from "../../core/discovery/conversation.ts";
import { CONTROL_ALPN, Frame, type PeerFailure, readJson, type SvidMessage } from "../../core/discovery/mod.ts";
import { clientTls, createRequest, type Svid, svidOf } from "../../core/identity/mod.ts";
import { certificates, type IdentityFiles } from "../harness/certificates.ts";
import { claim, type TestControl, testControl, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";

const WEB = "spiffe://cluster.local/ns/default/sa/web";

test("certificates of strangers, expired or not, are refused on the stream", async () => {
  await using mesh = await testControl();
  await using strangers = await certificates();

  for (const seconds of [3600, -10]) {
    const foreign = await strangers.issue(WEB, seconds);
    const failure = await refusal(mesh, foreign, Frame.Subscribe);
    expect(failure).toMatchObject({ failure: "identity" });
  }

  expect(mesh.control.counts.streamsOpen).toBe(0);
  expect(mesh.control.counts.refusals).toBe(2);
});

test("a stranger's certificate that expired lately is not good for a new one", async () => {
  await using mesh = await testControl({ timing: { graceMs: 60_000 } });
  await using strangers = await certificates();
  const foreign = await strangers.issue(WEB, -10);
  const { csr } = await createRequest(WEB);

  const failure = await ask(mesh, foreign, Frame.Renew, { id: 1, csr }, Frame.Svid).catch((error) => error);

  expect(failure).toMatchObject({ failure: "identity" });
  expect(mesh.control.counts.certificatesIssued).toBe(1);
});

test("a connection without a certificate may not subscribe or renew", async () => {
  await using mesh = await testControl();

  for (const type of [Frame.Subscribe, Frame.Renew]) {
    const failure = await refusal(mesh, null, type);
    expect(failure.message).toContain("has shown no certificate");
  }
});

test("an identity cannot register a workload that is not its own", async () => {
  await using mesh = await testControl();
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await web.discovery.ready;

  for (const workload of [claim("cart"), { ...claim("web"), namespace: "other" }]) {
    const subscribe = { proxy: "p1", revision: "", held: {}, hosts: [], workload };
    const failure = await refusal(mesh, web.plane.svids[0]!, Frame.Subscribe, subscribe);
    expect(failure).toMatchObject({ failure: "identity" });
  }

  expect(await mesh.client.workloads()).toEqual([]);
});

test("a claim that is not as agreed is refused, field by field", async () => {
  await using mesh = await testControl();
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await web.discovery.ready;
  const good = { proxy: "p1", revision: "", held: {}, hosts: [], workload: claim("web") };
  const bad = [
    { ...good, proxy: "../p1" },
    { ...good, hosts: [1] },
    { ...good, held: [] },
    { ...good, workload: claim("web", { address: "localhost" }) },
    { ...good, workload: claim("web", { inboundPort: 0 }) },
    { ...good, workload: claim("web", { weight: -1 }) },
    { ...good, workload: claim("web", { labels: { "": "x" } }) },
    { ...good, workload: { ...claim("web"), service: "a/b" } },
  ];

  for (const subscribe of bad) {
    const failure = await refusal(mesh, web.plane.svids[0]!, Frame.Subscribe, subscribe);
    expect(failure.message).toContain("is missing or not as agreed");
  }
});

test("certificates are renewed over the stream, which stays", async () => {
  await using mesh = await testControl({ timing: { leafLifetimeMs: 1500 } });
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await web.discovery.ready;
  const { since } = web.discovery.state();

  await eventually(() => web.plane.svids.length >= 3, 10_000);

  expect(new Set(web.plane.svids.map(({ privateKey }) => privateKey)).size).toBe(web.plane.svids.length);
  expect(web.discovery.state()).toMatchObject({ connected: true, since });
});

test("a certificate that expired lately is good for a new one, and for nothing else", async () => {
  await using mesh = await testControl({ timing: { leafLifetimeMs: 1000, graceMs: 60_000 } });
  const svid = await joined(mesh);
  await lapse(svid);

  expect((await refusal(mesh, svid, Frame.Subscribe)).message).toContain("has expired");
  const { csr, privateKey } = await createRequest(WEB);
  const renewed = readJson<SvidMessage>(await ask(mesh, svid, Frame.Renew, { id: 1, csr }, Frame.Svid));

  expect(svidOf({ ...renewed, privateKey }).notAfter).toBeGreaterThan(Date.now());
});

test("an expired certificate cannot be turned into another identity's", async () => {
  await using mesh = await testControl({ timing: { leafLifetimeMs: 1000, graceMs: 60_000 } });
  const svid = await joined(mesh);
  await lapse(svid);
  const { csr } = await createRequest("spiffe://cluster.local/ns/default/sa/cart");

  const failure = await ask(mesh, svid, Frame.Renew, { id: 1, csr }, Frame.Svid).catch((error) => error);

  expect(failure).toMatchObject({ failure: "identity" });
});

test("a certificate that expired too long ago is refused", async () => {
  await using mesh = await testControl({ timing: { leafLifetimeMs: 1000, graceMs: 0 } });
  const svid = await joined(mesh);
  await lapse(svid);
  const { csr } = await createRequest(WEB);

  const failure = await ask(mesh, svid, Frame.Renew, { id: 1, csr }, Frame.Svid).catch((error) => error);

  expect(failure).toMatchObject({ failure: "identity" });
});

/** An identity whose proxy is gone again. */
async function joined(mesh: TestControl): Promise<Svid> {
  await using proxy = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await proxy.discovery.ready;
  return proxy.plane.svids[0]!;
}

/** Certificates end with a second, and are valid to the end of it. */
async function lapse({ notAfter }: Svid): Promise<void> {
  await eventually(() => notAfter + 1000 < Date.now());
}

/** How the control plane refuses a question. */
async function refusal(
  mesh: TestControl,
  identity: Svid | IdentityFiles | null,
  type: Frame,
  message: object = {},
): Promise<PeerFailure> {
  return await ask(mesh, identity, type, message, Frame.Update).catch((error) => error);
}

async function ask(
  mesh: TestControl,
  identity: Svid | IdentityFiles | null,
  type: Frame,
  message: object,
  answer: Frame,
): Promise<Buffer> {
  const own = identity ?? { certificate: "", privateKey: "", bundle: "" };
  const { cert, key, ca, ...rest } = clientTls(own as Svid, [CONTROL_ALPN], "control.mesh");
  const conversation = await Conversation.open({
    address: mesh.control.addresses.stream,
    clock: systemClock,
    tls: identity === null ? rest : { ...rest, cert, key, ca },
    check: () => null,
    deadlineMs: 3000,
    answerMs: 3000,
    limit: 1 << 20,
    software: "test",
  });
  try {
    return await conversation.ask(type, message, answer);
  } finally {
    conversation.close();
  }
}
