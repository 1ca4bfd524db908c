import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { Hosts, HostUnanswered, MAX_KNOWN_HOSTS } from "./hosts.ts";

const TIMING = { wantMs: 5000, idleMs: 600_000, absentMs: 60_000, refusedMs: 10_000 };

test("requests for one new host ask once and resolve together when it is answered", async () => {
  const { hosts, asked, ask } = hostsOf();

  const both = Promise.all([hosts.want("cart", ask), hosts.want("cart", ask)]);
  hosts.answer({ cart: "shop/cart" });
  await both;
  await hosts.want("cart", ask);

  expect(asked).toEqual(["cart"]);
});

test("a host without a service is answered too, and not asked for again", async () => {
  const { hosts, asked, ask } = hostsOf();

  const wanted = hosts.want("nowhere", ask);
  hosts.answer({ nowhere: null });
  await wanted;
  await hosts.want("nowhere", ask);

  expect(asked).toEqual(["nowhere"]);
  expect(hosts.answers()).toEqual({});
});

test("a host that nobody answers is given up at its deadline", async () => {
  const { hosts, clock, ask } = hostsOf();

  const wanted = hosts.want("cart", ask);
  clock.advance(5000);

  expect(wanted).rejects.toBeInstanceOf(HostUnanswered);
});

test("a refused host is let go, and asked for again only after a while", async () => {
  const { hosts, clock, asked, ask } = hostsOf();
  const wanted = hosts.want("cart", ask);

  expect(hosts.refuse({ cart: "shop/cart" }, "no such plugin")).toEqual(["cart"]);

  expect(wanted).rejects.toThrow("no such plugin");
  expect(hosts.want("cart", ask)).rejects.toThrow("no such plugin");
  expect(asked).toEqual(["cart"]);
  clock.advance(10_000);
  hosts.want("cart", ask).catch(() => {});
  expect(asked).toEqual(["cart", "cart"]);
});

test("hosts that served before are not let go by a later refusal", () => {
  const { hosts, ask } = hostsOf();
  void hosts.want("cart", ask);
  hosts.answer({ cart: "shop/cart" });

  expect(hosts.refuse({ cart: "shop/cart" }, "bad")).toEqual([]);
});

test("unused services are swept after the idle time, used and pinned ones stay", () => {
  const { hosts, clock } = hostsOf(["web"], ["cart", "stock"]);
  hosts.answer({ web: "shop/web", cart: "shop/cart", stock: "shop/stock" });

  clock.advance(400_000);
  hosts.touch(["shop/cart"]);
  clock.advance(300_000);

  expect(hosts.sweep(true)).toEqual([]);
  expect(hosts.sweep(false)).toEqual(["stock"]);
  expect(hosts.list()).toEqual(["web", "cart"]);
});

test("hosts without a service are swept soon", () => {
  const { hosts, clock, ask } = hostsOf();
  void hosts.want("nowhere", ask);
  hosts.answer({ nowhere: null });

  clock.advance(60_000);

  expect(hosts.sweep(true)).toEqual(["nowhere"]);
});

test("a scan of hosts makes the oldest absent ones go, not those with a service", () => {
  const { hosts, ask, forgotten } = hostsOf([], ["cart"]);
  hosts.answer({ cart: "shop/cart" });
  for (let i = 1; i < MAX_KNOWN_HOSTS + 10; i++) {
    void hosts.want(`h${i}`, ask);
    hosts.answer({ [`h${i}`]: null });
  }

  expect(hosts.list().length).toBe(MAX_KNOWN_HOSTS);
  expect(hosts.list()).toContain("cart");
  expect(forgotten.length).toBe(10);
  expect(forgotten[0]).toBe("h1");
});

test("while every known host is being asked for, another one is refused at once", () => {
  const { hosts, ask } = hostsOf();
  for (let i = 0; i < MAX_KNOWN_HOSTS; i++) hosts.want(`h${i}`, ask).catch(() => {});

  expect(hosts.want("one-more", ask)).rejects.toBeInstanceOf(HostUnanswered);
  hosts.giveUp("over");
});

function hostsOf(pinned: readonly string[] = [], learned: readonly string[] = []) {
  const clock = fakeClock();
  const asked: string[] = [];
  const forgotten: string[] = [];
  const hosts = new Hosts(clock, TIMING, pinned, learned);
  const ask = (host: string, forget: readonly string[]): void => {
    asked.push(host);
    forgotten.push(...forget);
  };
  return { hosts, clock, asked, forgotten, ask };
}
