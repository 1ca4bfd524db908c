import type { Change, Watch, Watcher } from "./model.ts";

/** Those who are told of changes: each on its own turn, never from inside the commit that made them. */
export class Watchers {
  readonly #subscriptions = new Set<Subscription>();

  /** Adds a watcher; `missed` is what happened between its revision and now. */
  add(prefix: string, watcher: Watcher, missed: readonly Change[]): Watch {
    const subscription = new Subscription(prefix, watcher);
    this.#subscriptions.add(subscription);
    subscription.push(missed);
    return {
      close: () => {
        subscription.close();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  tell(changes: readonly Change[]): void {
    for (const subscription of this.#subscriptions) subscription.push(changes);
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#subscriptions.clear();
  }
}

class Subscription {
  readonly #prefix: string;
  readonly #watcher: Watcher;
  #queue: Change[] = [];
  #closed = false;

  constructor(prefix: string, watcher: Watcher) {
    this.#prefix = prefix;
    this.#watcher = watcher;
  }

  push(changes: readonly Change[]): void {
    const wanted = changes.filter((change) => keyOf(change).startsWith(this.#prefix));
    if (wanted.length === 0) return;
    if (this.#queue.length === 0) queueMicrotask(() => this.#flush());
    this.#queue.push(...wanted);
  }

  close(): void {
    this.#closed = true;
  }

  #flush(): void {
    const changes = this.#queue;
    this.#queue = [];
    if (!this.#closed) this.#watcher.changed(changes);
  }
}

function keyOf(change: Change): string {
  return change.type === "put" ? change.entry.key : change.key;
}
