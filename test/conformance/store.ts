import { expect, test } from "bun:test";
import {
  type Change,
  create,
  InvalidTransaction,
  LeaseNotFound,
  put,
  remove,
  type Store,
  StoreUnavailable,
  textOf,
  update,
} from "../../core/store/mod.ts";
import { eventually } from "../harness/mod.ts";

/** An empty store, and how its time passes: told to a fake clock, or waited for where the clock is a server's. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  pass(ms: number): Promise<void>;
}

// Long enough for stores that count leases in seconds.
const TTL_MS = 3000;

/** What every store does: a suite as a function of an implementation. */
export function storeConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  const conforms = (fact: string, run: (given: StoreUnderTest) => Promise<void>): void =>
    test(`${name}: ${fact}`, async () => {
      await using given = await open();
      await run(given);
    });

  conforms("a key that was never put is not there", async ({ store }) => {
    expect(await store.get("a")).toBeNull();
    expect((await store.list("")).entries).toEqual([]);
  });

  conforms("text and bytes come back as they were put", async ({ store }) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);

    await put(store, "text", "größe");
    await put(store, "bytes", bytes);
    await put(store, "empty", "");

    expect(textOf((await store.get("text"))!)).toBe("größe");
    expect([...(await store.get("bytes"))!.value]).toEqual([...bytes]);
    expect(textOf((await store.get("empty"))!)).toBe("");
  });

  conforms("every commit has the next revision, and keys know who made and who last wrote them", async ({ store }) => {
    const first = await put(store, "a", "1");
    const second = await put(store, "b", "1");
    const third = await put(store, "a", "2");

    expect([second - first, third - second]).toEqual([1, 1]);
    expect(await store.get("a")).toMatchObject({ createRevision: first, modRevision: third, lease: null });
    expect((await store.list("")).revision).toBe(third);
  });

  conforms("a deleted key is gone, and is made anew by the next put", async ({ store }) => {
    await put(store, "a", "1");
    await remove(store, "a");
    expect(await store.get("a")).toBeNull();

    const again = await put(store, "a", "2");

    expect(await store.get("a")).toMatchObject({ createRevision: again, modRevision: again });
  });

  conforms("deleting what is not there commits nothing", async ({ store }) => {
    const before = await put(store, "a", "1");

    expect(await remove(store, "b")).toBe(before);
  });

  conforms("a list has the keys of its prefix, in order, and no others", async ({ store }) => {
    for (const key of ["b/2", "b", "a/1", "b/1", "b/ü", "b0", "c"]) await put(store, key, key);

    const keys = async (prefix: string) => (await store.list(prefix)).entries.map((entry) => entry.key);

    expect(await keys("b/")).toEqual(["b/1", "b/2", "b/ü"]);
    expect(await keys("b")).toEqual(["b", "b/1", "b/2", "b/ü", "b0"]);
    expect(await keys("")).toEqual(["a/1", "b", "b/1", "b/2", "b/ü", "b0", "c"]);
    expect(await keys("%")).toEqual([]);
  });

  conforms("compare-and-set writes when the key is as it was, and only then", async ({ store }) => {
    const made = await put(store, "a", "1");
    const set = (modRevision: number, value: string) =>
      store.commit({ conditions: [{ key: "a", modRevision }], writes: [{ type: "put", key: "a", value }] });

    expect(await set(made, "2")).toEqual({ ok: true, revision: made + 1 });
    expect(await set(made, "3")).toEqual({ ok: false, revision: made + 1 });
    expect(await set(0, "4")).toEqual({ ok: false, revision: made + 1 });
    expect(textOf((await store.get("a"))!)).toBe("2");
  });

  conforms("a key is created once", async ({ store }) => {
    expect(await create(store, "a", "1")).toBe(true);
    expect(await create(store, "a", "2")).toBe(false);
    await remove(store, "a");
    expect(await create(store, "a", "3")).toBe(true);
  });

  conforms("a transaction happens as a whole, in one revision, or not at all", async ({ store }) => {
    const before = await put(store, "old", "1");
    const writes = [
      { type: "put", key: "a", value: "1" },
      { type: "put", key: "b", value: "1" },
      { type: "delete", key: "old" },
    ] as const;

    const refused = await store.commit({ conditions: [{ key: "none", modRevision: 7 }], writes });
    const nothing = (await store.list("")).entries.map((entry) => entry.key);
    const done = await store.commit({ conditions: [{ key: "none", modRevision: 0 }], writes });

    expect([refused.ok, nothing]).toEqual([false, ["old"]]);
    expect(done).toEqual({ ok: true, revision: before + 1 });
    expect((await store.list("")).entries.map((entry) => [entry.key, entry.modRevision])).toEqual([
      ["a", before + 1],
      ["b", before + 1],
    ]);
  });

  conforms("a transaction that writes a key twice, or an empty key, is refused", async ({ store }) => {
    const twice = { writes: [{ type: "put", key: "a", value: "1" } as const, { type: "delete", key: "a" } as const] };

    await expect(store.commit(twice)).rejects.toThrow(InvalidTransaction);
    await expect(put(store, "", "1")).rejects.toThrow(InvalidTransaction);
  });

  conforms("updates that run into each other are all done", async ({ store }) => {
    const increment = (text: string | null) => String(Number(text ?? "0") + 1);

    await Promise.all(Array.from({ length: 8 }, () => update(store, "count", increment)));

    expect(textOf((await store.get("count"))!)).toBe("8");
  });

  conforms("an update that says nothing leaves the key as it is", async ({ store }) => {
    const made = await put(store, "a", "1");

    expect(await update(store, "a", () => null)).toBe("1");
    expect(await update(store, "b", () => null)).toBeNull();
    expect((await store.list("")).entries.map((entry) => [entry.key, entry.modRevision])).toEqual([["a", made]]);
  });

  conforms("a watch tells the changes of its prefix, in their order, with what they hold", async ({ store }) => {
    const { revision } = await store.list("");
    const seen = watch(store, "a/", revision);

    await put(store, "a/1", "one");
    await put(store, "b/1", "other");
    await remove(store, "a/1");
    await eventually(() => seen.told.at(-1) === "-a/1");

    expect(seen.told.filter((change) => !change.includes("a/1"))).toEqual([]);
    expect(seen.changes.at(-1)).toMatchObject({ modRevision: revision + 3 });
  });

  conforms("a watch from an earlier revision tells first what has happened since", async ({ store }) => {
    await put(store, "a/before", "1");
    await put(store, "a/gone", "1");
    const { revision } = await store.list("a/");
    await put(store, "a/before", "2");
    await remove(store, "a/gone");
    await put(store, "a/new", "3");

    const seen = watch(store, "a/", revision);
    await put(store, "a/live", "4");
    await eventually(() => seen.told.length === 4);

    expect(seen.told).toEqual(["a/before=2", "-a/gone", "a/new=3", "a/live=4"]);
  });

  conforms("list and watch together miss nothing and repeat nothing", async ({ store }) => {
    const writers = Array.from({ length: 20 }, (_, index) => put(store, `a/${index}`, "1"));
    const listing = await store.list("a/");
    const seen = watch(store, "a/", listing.revision);
    await Promise.all(writers);
    await put(store, "a/last", "1");
    await eventually(() => seen.told.includes("a/last=1"));

    const keys = [...listing.entries.map((entry) => entry.key), ...seen.told.map((change) => change.split("=")[0]!)];
    expect(keys.sort()).toEqual([...Array.from({ length: 20 }, (_, index) => `a/${index}`), "a/last"].sort());
  });

  conforms("the changes of one transaction are told together, with one revision", async ({ store }) => {
    const seen = watch(store, "", (await store.list("")).revision);

    await store.commit({
      writes: [
        { type: "put", key: "a", value: "1" },
        { type: "put", key: "b", value: "2" },
      ],
    });
    await eventually(() => seen.told.length === 2);

    expect(seen.calls).toBe(1);
  });

  conforms("a closed watch is told nothing more, and two watches are told each for itself", async ({ store }) => {
    const { revision } = await store.list("");
    const [closed, open] = [watch(store, "a", revision), watch(store, "a", revision)];
    await put(store, "a", "1");
    closed.close();

    await put(store, "a", "2");
    await eventually(() => open.told.at(-1) === "a=2");

    expect(closed.told).not.toContain("a=2");
  });

  conforms("keys of a lease that is not renewed vanish, and watchers are told", async ({ store, pass }) => {
    const lease = await store.grant(TTL_MS);
    await put(store, "leased", "1", lease);
    await put(store, "stays", "1");
    expect((await store.get("leased"))!.lease).toBe(lease);
    const seen = watch(store, "", (await store.list("")).revision);

    await pass(TTL_MS * 2);
    await eventually(() => seen.told.includes("-leased"));

    expect((await store.list("")).entries.map((entry) => entry.key)).toEqual(["stays"]);
    expect(await store.renew(lease)).toBe(false);
  });

  conforms("keys of a lease that is renewed stay", async ({ store, pass }) => {
    const lease = await store.grant(TTL_MS);
    await put(store, "leased", "1", lease);

    for (let turn = 0; turn < 3; turn++) {
      await pass(TTL_MS / 2);
      expect(await store.renew(lease)).toBe(true);
    }

    expect(await store.get("leased")).not.toBeNull();
  });

  conforms("a revoked lease takes its keys with it, and no others", async ({ store }) => {
    const [mine, other] = [await store.grant(TTL_MS), await store.grant(TTL_MS)];
    await put(store, "a", "1", mine);
    await put(store, "b", "1", other);

    await store.revoke(mine);
    await store.revoke(mine);

    expect((await store.list("")).entries.map((entry) => entry.key)).toEqual(["b"]);
    await expect(put(store, "c", "1", mine)).rejects.toThrow(LeaseNotFound);
    expect(await store.get("c")).toBeNull();
  });

  conforms("a key that is put without its lease outlives it", async ({ store }) => {
    const lease = await store.grant(TTL_MS);
    await put(store, "a", "1", lease);
    await put(store, "a", "2");

    await store.revoke(lease);

    expect(textOf((await store.get("a"))!)).toBe("2");
  });

  conforms("a put with a lease that never was writes nothing of its transaction", async ({ store }) => {
    const writes = [
      { type: "put", key: "a", value: "1" },
      { type: "put", key: "b", value: "1", lease: "123456789" },
    ] as const;

    await expect(store.commit({ writes })).rejects.toThrow(LeaseNotFound);

    expect((await store.list("")).entries).toEqual([]);
  });

  conforms("a closed store says so", async ({ store }) => {
    await store.close();

    await expect(store.get("a")).rejects.toThrow(StoreUnavailable);
    await expect(put(store, "a", "1")).rejects.toThrow(StoreUnavailable);
  });
}

/** A watcher that writes down what it is told. */
function watch(store: Store, prefix: string, after: number) {
  const seen = { changes: [] as Change[], told: [] as string[], calls: 0, close: () => {} };
  const { close } = store.watch(prefix, after, {
    changed(changes) {
      seen.calls++;
      seen.changes.push(...changes);
      seen.told.push(...changes.map(spell));
    },
    lost: (reason) => void seen.told.push(`lost: ${reason}`),
  });
  return Object.assign(seen, { close });
}

function spell(change: Change): string {
  return change.type === "put" ? `${change.entry.key}=${textOf(change.entry)}` : `-${change.key}`;
}
