import { expect, test } from "bun:test";
import { eventually, type FakeClock, fakeClock } from "../../test/harness/mod.ts";
import { type Clock, silentLog } from "../base/mod.ts";
import { type Authority, openAuthority } from "./authority/mod.ts";
import { readLeaf } from "./certificate.ts";
import type { Svid } from "./model.ts";
import { Rotation, type RotationOptions, type SignedCertificate } from "./rotation.ts";

const CART = "spiffe://example.org/ns/shop/sa/cart";
const HOUR_MS = 3_600_000;

test("the first SVID is asked for at once, and told before anybody who waits for it goes on", async () => {
  const mesh = await start();

  const first = await mesh.rotation.first;

  expect(mesh.told.map((svid) => svid === first)).toEqual([true]);
  expect(first.spiffeId).toBe(CART);
  expect(first.bundle).toBe(mesh.authority.bundle);
  expect(mesh.rotation.svid === first).toBe(true);
});

test("an SVID is renewed at two thirds of its life, with a new key, for as long as the mesh runs", async () => {
  const mesh = await start();
  await mesh.rotation.first;

  for (const renewals of [2, 3, 4]) {
    mesh.clock.advance((HOUR_MS * 2) / 3 - 1000);
    expect(mesh.requests).toBe(renewals - 1);
    mesh.clock.advance(2000);
    await eventually(() => mesh.told.length === renewals);
  }

  expect(new Set(mesh.told.map((svid) => svid.privateKey)).size).toBe(4);
  expect(mesh.rotation.state).toMatchObject({ obtained: 4, failures: 0, lastError: null });
});

test("renewals are spread by a tenth to both sides", async () => {
  const [early, late] = [await start({ random: () => 0 }), await start({ random: () => 0.999999 })];
  await Promise.all([early.rotation.first, late.rotation.first]);

  const [at, until] = [early, late].map((mesh) => mesh.rotation.state.nextRenewal! - mesh.clock.now());

  expect(at!).toBeCloseTo(((HOUR_MS * 2) / 3) * 0.9, -3);
  expect(until!).toBeCloseTo(((HOUR_MS * 2) / 3) * 1.1, -3);
});

test("while the authority is away it is asked again, ever less often, and the reason can be seen", async () => {
  const mesh = await start({ request: () => Promise.reject(new Error("connection refused")) });

  const waits: number[] = [];
  for (let failures = 1; failures <= 8; failures++) {
    await eventually(() => mesh.rotation.state.failures === failures);
    waits.push(mesh.rotation.state.nextRenewal! - mesh.clock.now());
    mesh.clock.advance(waits.at(-1)!);
  }

  expect(waits).toEqual([750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500]);
  expect(mesh.rotation.state.lastError).toBe("connection refused");
  expect(mesh.told.length).toBe(0);
});

test("a renewal that fails is tried several times more before the SVID expires, and the old one stays", async () => {
  let away = false;
  const mesh = await start({ away: () => away, leafLifetimeMs: 10_000 });
  const first = await mesh.rotation.first;

  away = true;
  let tries = 0;
  while (mesh.clock.now() < first.notAfter) {
    mesh.clock.advance(mesh.rotation.state.nextRenewal! - mesh.clock.now());
    await eventually(() => mesh.rotation.state.failures === tries + 1);
    tries++;
  }
  expect(mesh.rotation.svid === first).toBe(true);
  expect(tries).toBeGreaterThan(5);

  away = false;
  mesh.clock.advance(mesh.rotation.state.nextRenewal! - mesh.clock.now());
  await eventually(() => mesh.told.length === 2);
  expect(mesh.rotation.state).toMatchObject({ failures: 0, lastError: null });
});

test("a request that is never answered is given up and asked again; what it brings later is ignored", async () => {
  const answers: ((signed: SignedCertificate) => void)[] = [];
  const csrs: string[] = [];
  const mesh = await start({
    request: (csr) => {
      csrs.push(csr);
      return new Promise((resolve) => answers.push(resolve));
    },
  });
  await eventually(() => answers.length === 1);

  mesh.clock.advance(15_000);
  expect(mesh.rotation.state.lastError).toBe("no answer within 15000 ms");
  mesh.clock.advance(1000);
  await eventually(() => answers.length === 2);
  answers[0]!(await mesh.authority.issue(csrs[0]!, CART));
  answers[1]!(await mesh.authority.issue(csrs[1]!, CART));
  await mesh.rotation.first;

  expect(mesh.told.length).toBe(1);
});

test("a certificate for another identity, another key, or one that has expired is not used", async () => {
  const other = "spiffe://example.org/ns/shop/sa/other";
  const past = await open(fakeClock(0));
  const someone = await start();
  const { certificate } = await someone.rotation.first;
  const answers: readonly (readonly [(csr: string) => Promise<SignedCertificate>, string])[] = [
    [async () => ({ certificate: await leafFor(someone.authority, other), bundle: "" }), `it is for "${other}"`],
    [async () => ({ certificate, bundle: "" }), "it is for another key"],
    [(csr) => past.issue(csr, CART), "it has expired already; compare the clocks"],
    [async (csr) => ({ ...(await someone.authority.issue(csr, CART)), bundle: "" }), "no root came with it"],
    [async () => ({ certificate: "nonsense", bundle: "" }), "Cannot read DER: no certificate in the text"],
  ];

  for (const [request, reason] of answers) {
    const mesh = await start({ request });
    await eventually(() => mesh.rotation.state.failures === 1);
    expect(mesh.rotation.state.lastError).toContain(reason);
    expect(mesh.told.length).toBe(0);
  }
});

test("a kept SVID that is still valid is used at once, and renewed at two thirds of what is left of it", async () => {
  const before = await start();
  const kept = await before.rotation.first;
  before.clock.advance(HOUR_MS / 2);

  const mesh = await start({ kept, clock: before.clock });

  expect(mesh.atStart === kept).toBe(true);
  expect(mesh.told.map((svid) => svid === kept)).toEqual([true]);
  expect(mesh.requests).toBe(0);
  expect(mesh.rotation.state.nextRenewal).toBe(before.clock.now() + HOUR_MS / 3);
});

test("a kept SVID that has expired or is of another workload is not used", async () => {
  const before = await start();
  const kept = await before.rotation.first;
  before.rotation.stop();
  before.clock.advance(2 * HOUR_MS);

  const late = await start({ kept, clock: before.clock });
  const other = await start({ kept: { ...kept, spiffeId: `${CART}2`, notAfter: Number.MAX_SAFE_INTEGER } });

  expect([late.atStart === null, other.atStart === null]).toEqual([true, true]);
  await Promise.all([late.rotation.first, other.rotation.first]);
});

test("after a sleep of the machine the wall clock decides, not the timer", async () => {
  const mesh = await start();
  await mesh.rotation.first;

  mesh.sleep(HOUR_MS);
  mesh.clock.advance(60_000);

  await eventually(() => mesh.told.length === 2);
});

test("a lifetime longer than a timer can be does not renew at once", async () => {
  const mesh = await start({ leafLifetimeMs: 365 * 24 * HOUR_MS });
  await mesh.rotation.first;

  mesh.clock.advance(24 * HOUR_MS);

  expect(mesh.requests).toBe(1);
});

test("a stopped rotation asks nobody, and tells nobody what was under way", async () => {
  const mesh = await start();
  mesh.rotation.stop();
  mesh.rotation.renew();

  await eventually(() => mesh.requests === 1);
  mesh.clock.advance(HOUR_MS);

  expect(mesh.clock.pending).toBe(0);
  expect([mesh.requests, mesh.told.length, mesh.rotation.state.nextRenewal]).toEqual([1, 0, null]);
});

test("what is shown of a rotation holds no key", async () => {
  const mesh = await start();
  await mesh.rotation.first;

  expect(JSON.stringify(mesh.rotation.state)).not.toContain("PRIVATE KEY");
});

interface Options extends Partial<RotationOptions> {
  readonly clock?: FakeClock;
  readonly leafLifetimeMs?: number;
  readonly away?: () => boolean;
}

/** A rotation that asks an authority of its own; time stands still. */
async function start(options: Options = {}) {
  const fake = options.clock ?? fakeClock();
  let sleptMs = 0;
  const clock = { ...fake, now: () => fake.now() + sleptMs };
  const authority = await open(clock, options.leafLifetimeMs);
  const told: Svid[] = [];
  const sleep = (ms: number): void => {
    sleptMs += ms;
  };
  const mesh = { clock: fake, authority, told, requests: 0, sleep };
  const rotation = new Rotation({
    spiffeId: CART,
    random: () => 0.5,
    log: silentLog,
    request: async (csr) => {
      mesh.requests++;
      if (options.away?.() === true) throw new Error("away");
      return await authority.issue(csr, CART);
    },
    onSvid: (svid) => void told.push(svid),
    ...options,
    clock,
  });
  rotation.start();
  return Object.assign(mesh, { rotation, atStart: rotation.svid });
}

async function open(clock: Clock, leafLifetimeMs = HOUR_MS): Promise<Authority> {
  const store = { load: async () => null, save: async () => {} };
  return await openAuthority({ trustDomain: "example.org", clock, store, leafLifetimeMs });
}

async function leafFor(authority: Authority, spiffeId: string): Promise<string> {
  const rotation = new Rotation({
    spiffeId,
    clock: fakeClock(),
    random: () => 0.5,
    log: silentLog,
    request: (csr) => authority.issue(csr, spiffeId),
    onSvid: () => {},
  });
  rotation.start();
  const { certificate } = await rotation.first;
  expect(readLeaf(certificate).uris).toEqual([spiffeId]);
  return certificate;
}
