/** Slots of a set: a key may stand in any slot of the set its hash names. */
const WAYS = 8;

/** The layout, in 32-bit words. A value is 64 bits, so everything is even. */
const HEADER_WORDS = 16;
const SLOT_WORDS = 6;
const SET_WORDS = 2 + WAYS * SLOT_WORDS;
const Header = { Sets: 0, Seed: 1, Renewals: 2, Base: 4 } as const;
const Slot = { Low: 0, High: 1, Expiry: 2, Value: 4 } as const;

/** Below this a value only says that its slot was given to a new key: no tokens taken, sum 0. As a float it is -0. */
const FRESH = -(2n ** 62n);
const FIRST_FRESH = -(2n ** 63n);
const LARGEST_SUM = 2n ** 62n;
const SUM_LIFE_S = 3600;
const MOST_ROUNDING_MS = 0.5;
/** A year: an expiry in seconds stays within 32 bits for as long as a process may run. */
const MOST_WINDOW_MS = 31_536_000_000;
/** Turns to wait for a set that another worker is changing; after that the worker has died in the middle of it. */
const MOST_TURNS = 1 << 20;

/**
 * Token buckets and sums that all workers share: a fixed table over shared
 * memory. A hit takes no lock and is exact; only making a slot for a new key
 * holds its set for a moment. A bucket that is full again needs no slot, so
 * its slot goes to whoever comes next.
 *
 * Where all slots of a set are in use, the one closest to full is given away:
 * more keys at once than the table holds loosen limits, they never block.
 */
export class SharedCounters {
  /** Hand this to the other workers. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #values: BigInt64Array;
  readonly #sets: number;
  readonly #seed: number;
  readonly #base: number;
  readonly #float = new Float64Array(1);
  readonly #bits = new BigInt64Array(this.#float.buffer);
  /** The hash of the key in hand. */
  #low = 0;
  #high = 0;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#values = new BigInt64Array(memory);
    this.#sets = this.#words[Header.Sets]!;
    this.#seed = this.#words[Header.Seed]!;
    this.#base = new Float64Array(memory)[Header.Base / 2]!;
  }

  /** Memory for about so many keys. The seed is random: nobody outside can aim at one set. */
  static allocate(keys: number, nowMs: number, seed: number): SharedArrayBuffer {
    const sets = 2 ** Math.ceil(Math.log2(Math.max(1, keys / WAYS)));
    const memory = new SharedArrayBuffer((HEADER_WORDS + sets * SET_WORDS) * 4);
    const words = new Int32Array(memory);
    words[Header.Sets] = sets;
    words[Header.Seed] = seed | 0;
    new Float64Array(memory)[Header.Base / 2] = nowMs - 1;
    return memory;
  }

  /** A number for the owner of keys, so that two plugins may use the same key. */
  scope(owner: string): number {
    let hash = this.#seed;
    for (let i = 0; i < owner.length; i++) hash = mix(hash, owner.charCodeAt(i));
    return hash;
  }

  /**
   * Takes `cost` tokens from a bucket that holds `limit` and fills up in
   * `windowMs`. Returns what is left, or the negative of the milliseconds until
   * so many tokens will be there. A cost of 0 takes nothing and tells what is left.
   */
  take(scope: number, key: Uint8Array, limit: number, wantedWindowMs: number, cost: number, nowMs: number): number {
    const windowMs = Math.min(wantedWindowMs, MOST_WINDOW_MS);
    if (!(limit >= 1 && windowMs >= 1 && cost >= 0)) return -1;
    if (cost > limit) return -Math.ceil(windowMs);
    this.#hash(scope, key, limit, windowMs);
    const now = nowMs - this.#base;
    for (;;) {
      const slot = this.#find(now);
      const before = Atomics.load(this.#values, valueIndex(slot));
      if (!this.#holds(slot)) continue; // given to another key meanwhile
      const next = nextFull(this.#toFloat(before), now, windowMs, cost / limit);
      const over = next - now - windowMs;
      // A thousandth of a token at most: the rounding of a sum of fractions costs nobody a request.
      if (over > Math.min(windowMs / limit / 1000, MOST_ROUNDING_MS)) return -Math.ceil(over);
      const left = Math.floor((1 - (next - now) / windowMs) * limit + 0.001);
      if (cost === 0) return left;
      if (!this.#change(slot, before, this.#toBits(next), Math.ceil(next / 1000))) continue;
      return left;
    }
  }

  /** Adds to a sum and returns it. A sum that nobody touches for an hour may be forgotten. */
  add(scope: number, key: Uint8Array, delta: bigint, nowMs: number): bigint {
    this.#hash(scope, key, 0, 0);
    const now = nowMs - this.#base;
    for (;;) {
      const slot = this.#find(now);
      const before = Atomics.load(this.#values, valueIndex(slot));
      if (!this.#holds(slot)) continue;
      const sum = clampSum((before < FRESH ? 0n : before) + delta);
      if (this.#change(slot, before, sum, Math.ceil(now / 1000) + SUM_LIFE_S)) return sum;
    }
  }

  #change(slot: number, before: bigint, after: bigint, expiryS: number): boolean {
    if (Atomics.compareExchange(this.#values, valueIndex(slot), before, after) !== before) return false;
    Atomics.store(this.#words, slot + Slot.Expiry, expiryS);
    return true;
  }

  #holds(slot: number): boolean {
    return (
      Atomics.load(this.#words, slot + Slot.Low) === this.#low &&
      Atomics.load(this.#words, slot + Slot.High) === this.#high
    );
  }

  /** The slot of the key in hand; makes one where there is none. */
  #find(now: number): number {
    const set = HEADER_WORDS + (this.#high & (this.#sets - 1)) * SET_WORDS;
    const found = this.#search(set);
    if (found >= 0) return found;
    this.#lock(set);
    const again = this.#search(set);
    const slot = again >= 0 ? again : this.#claim(set, now);
    Atomics.store(this.#words, set, 0);
    return slot;
  }

  #search(set: number): number {
    for (let slot = set + 2; slot < set + SET_WORDS; slot += SLOT_WORDS) if (this.#holds(slot)) return slot;
    return -1;
  }

  #lock(set: number): void {
    for (let turn = 0; turn < MOST_TURNS; turn++) if (Atomics.compareExchange(this.#words, set, 0, 1) === 0) return;
  }

  /**
   * Gives a slot of a locked set to the key in hand. The order of the stores is
   * the proof: the old key is gone before the value is renewed, so whoever read
   * the old key with the old value fails to change it and looks again.
   */
  #claim(set: number, now: number): number {
    const words = this.#words;
    for (;;) {
      const slot = this.#oldest(set);
      const low = Atomics.load(words, slot + Slot.Low);
      const before = Atomics.load(this.#values, valueIndex(slot));
      Atomics.store(words, slot + Slot.Low, 0);
      const fresh = FIRST_FRESH + BigInt(Atomics.add(words, Header.Renewals, 1) >>> 0);
      if (!this.#change(slot, before, fresh, Math.ceil(now / 1000))) {
        Atomics.store(words, slot + Slot.Low, low); // its key is in use after all
        continue;
      }
      Atomics.store(words, slot + Slot.High, this.#high);
      Atomics.store(words, slot + Slot.Low, this.#low);
      return slot;
    }
  }

  /** An unused slot, or the one that will be full again first. */
  #oldest(set: number): number {
    let oldest = set + 2;
    let expiry = Number.POSITIVE_INFINITY;
    for (let slot = set + 2; slot < set + SET_WORDS; slot += SLOT_WORDS) {
      if (Atomics.load(this.#words, slot + Slot.Low) === 0) return slot;
      const at = Atomics.load(this.#words, slot + Slot.Expiry);
      if (at >= expiry) continue;
      expiry = at;
      oldest = slot;
    }
    return oldest;
  }

  #hash(scope: number, key: Uint8Array, limit: number, windowMs: number): void {
    let low = mix(mix(finish(scope), limit | 0), windowMs | 0);
    let high = mix(low, this.#seed);
    for (let i = 0; i < key.length; i++) {
      const byte = key[i]!;
      low = Math.imul(low ^ byte, 0x01000193);
      high = Math.imul(high ^ (byte + i), 0x5bd1e995) ^ (high >>> 15);
    }
    low = finish(low ^ key.length);
    this.#low = low === 0 ? 1 : low; // 0 marks a slot without a key
    this.#high = finish(high);
  }

  #toFloat(bits: bigint): number {
    this.#bits[0] = bits;
    return this.#float[0]!;
  }

  #toBits(float: number): bigint {
    this.#float[0] = float;
    return this.#bits[0]!;
  }
}

/** Index of a slot's value among the 64-bit words. */
function valueIndex(slot: number): number {
  return (slot + Slot.Value) >> 1;
}

/**
 * When a bucket will be full again after a share of it is taken (the generic
 * cell rate algorithm). A time too far ahead is from before the clock was set back.
 */
function nextFull(full: number, now: number, windowMs: number, share: number): number {
  const from = full < now || full > now + windowMs * 2 ? now : full;
  return from + share * windowMs;
}

function clampSum(sum: bigint): bigint {
  return sum > LARGEST_SUM ? LARGEST_SUM : sum < FRESH ? FRESH : sum;
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x9e3779b1) ^ (hash >>> 16);
}

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
