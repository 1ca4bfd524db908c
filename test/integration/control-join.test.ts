import { expect, test } from "bun:test";
import { systemClock } from "../../core/base/mod.ts";
import { CONTROL_ALPN, Frame, formatJoinToken, JoinRefused, Link, parseJoinToken } from "../../core/discovery/mod.ts";
import { alpn } from "../../core/identity/mod.ts";
import { certificates } from "../harness/certificates.ts";
import { claim, testControl, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";
import { temporaryFolder } from "../harness/folder.ts";

test("a proxy with a token joins, is told who it is, and gets its own workload", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web");
  await using proxy = testProxy({ control: mesh.control.addresses.stream, token, workload: claim("web") });

  expect(await proxy.discovery.ready).toBe("control");

  expect(proxy.plane.svids[0]!.spiffeId).toBe("spiffe://cluster.local/ns/default/sa/web");
  expect(proxy.plane.keys()).toEqual(["mesh/", "workload/default/web"]);
  const { proxies } = await mesh.client.status();
  expect(proxies).toMatchObject([{ name: "web", namespace: "default", connected: true, nack: null }]);
});

test("a token is good for one join", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web");
  await using first = testProxy({ control: mesh.control.addresses.stream, token });
  await first.discovery.ready;

  await using second = testProxy({ control: mesh.control.addresses.stream, token });

  await expect(second.discovery.ready).rejects.toThrow("has been used already");
  expect(second.plane.svids).toEqual([]);
});

test("a token made for two joins is good for two", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web", { uses: 2 });

  for (let i = 0; i < 2; i++) {
    await using proxy = testProxy({ control: mesh.control.addresses.stream, token });
    await proxy.discovery.ready;
  }

  await using third = testProxy({ control: mesh.control.addresses.stream, token });
  await expect(third.discovery.ready).rejects.toThrow("has been used 2 times already");
});

test("a wrong secret and an unknown token are refused in the same words, and not tried in a storm", async () => {
  await using mesh = await testControl();
  const good = parseJoinToken(await mesh.token("web"));
  const bad = [
    { ...good, secret: "x".repeat(32) },
    { ...good, id: "000000000000" },
  ];

  const reasons = [];
  for (const token of bad) {
    await using proxy = testProxy({ control: mesh.control.addresses.stream, token: formatJoinToken(token) });
    const error = await proxy.discovery.ready.catch((reason) => reason);
    expect(error).toBeInstanceOf(JoinRefused);
    reasons.push(error.message);
  }

  expect(reasons[0]).toContain("does not know the token");
  expect(reasons[1]).toBe(reasons[0]);
  expect(mesh.control.counts.refusals).toBe(2);
});

test("a token that pins another root sends its secret to nobody", async () => {
  await using mesh = await testControl();
  const token = formatJoinToken({ ...parseJoinToken(await mesh.token("web")), root: "ab".repeat(32) });

  await using proxy = testProxy({ control: mesh.control.addresses.stream, token });

  await expect(proxy.discovery.ready).rejects.toThrow("does not have the root that the join token names");
  expect((await mesh.client.tokens())[0]!.used).toBe(0);
});

test("an impostor that knows the root but cannot prove it gets no secret", async () => {
  await using mesh = await testControl();
  await using strangers = await certificates();
  const own = await strangers.issue("spiffe://cluster.local/mesh/control");
  await using impostor = startImpostor(own, await mesh.client.bundle());
  const token = await mesh.token("web");

  await using proxy = testProxy({ control: impostor.address, token, startMs: 300 });

  await expect(proxy.discovery.ready).rejects.toThrow("did not prove to be the control plane of cluster.local");
  expect(impostor.frames).toContain(Frame.GetBundle);
  expect(impostor.frames).not.toContain(Frame.Join);
});

test("a workload of the mesh cannot pass for its control plane", async () => {
  await using mesh = await testControl();
  await using member = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("cart") });
  await member.discovery.ready;
  await using impostor = startImpostor(member.plane.svids[0]!, await mesh.client.bundle());
  const token = await mesh.token("web");

  await using proxy = testProxy({ control: impostor.address, token, startMs: 300 });

  await expect(proxy.discovery.ready).rejects.toThrow('it is "spiffe://cluster.local/ns/default/sa/cart"');
  expect(impostor.frames).not.toContain(Frame.Join);
});

test("a token of another mesh replaces the identity on disk, though the names are the same", async () => {
  await using folder = temporaryFolder();
  await using before = await testControl();
  await using first = testProxy({
    ...{ control: before.control.addresses.stream, token: await before.token("web"), directory: folder.path },
  });
  await first.discovery.ready;
  await first.discovery.close();
  await using mesh = await testControl();

  await using proxy = testProxy({
    ...{ control: mesh.control.addresses.stream, token: await mesh.token("web"), directory: folder.path },
  });

  expect(await proxy.discovery.ready).toBe("control");
  expect(proxy.plane.svids[0]!.bundle).toBe(await mesh.client.bundle());
});

test("an expired token is refused", async () => {
  await using mesh = await testControl();
  const { token, expiresAt } = await mesh.client.createToken({ namespace: "default", name: "web", ttlMs: 1 });
  await eventually(() => Date.now() > expiresAt);

  await using proxy = testProxy({ control: mesh.control.addresses.stream, token });

  await expect(proxy.discovery.ready).rejects.toThrow("has expired");
});

test("a proxy may not register another workload than its token's", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web");

  await using proxy = testProxy({ control: mesh.control.addresses.stream, token, workload: claim("cart") });

  await expect(proxy.discovery.ready).rejects.toThrow("Cannot join as default/cart");
  expect((await mesh.client.tokens())[0]!.used).toBe(0);
});

/** Answers as a control plane would, with the true roots and a certificate that is none of its own. */
function startImpostor(own: { certificate: string; privateKey: string }, bundle: string) {
  const frames: number[] = [];
  const tls = { cert: own.certificate, key: own.privateKey, ALPNProtocols: alpn([CONTROL_ALPN]) };
  const listener = Bun.listen<{ link: Link | null }>({
    hostname: "127.0.0.1",
    port: 0,
    tls: tls as never,
    socket: {
      open: (socket) => {
        socket.data = { link: null };
      },
      handshake: (socket) => {
        const link: Link = new Link(socket, systemClock, 1 << 16, { frame: (type) => answer(link, type), closed() {} });
        socket.data.link = link;
      },
      data: (socket, chunk) => socket.data.link?.received(chunk),
    },
  });
  const answer = (link: Link, type: number): void => {
    frames.push(type);
    const timing = { pingMs: 1000, deadMs: 3000 };
    if (type === Frame.Hello) link.send(Frame.Welcome, { protocol: 1, software: "impostor", timing });
    if (type === Frame.GetBundle) link.send(Frame.Bundle, { trustDomain: "cluster.local", bundle });
  };
  const address = { host: "127.0.0.1", port: listener.port };
  return { address, frames, [Symbol.asyncDispose]: async () => listener.stop(true) };
}
