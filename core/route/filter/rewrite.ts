import { latin1, NO_BYTES } from "../../base/mod.ts";
import type { RequestHead, Target } from "../../http/mod.ts";
import type { RewriteModel } from "../model.ts";
import { PathChange } from "./path-change.ts";

/** Another host or path for what goes on (Gateway API, HTTPURLRewriteFilter). Immutable. */
export class Rewrite {
  readonly #authority: Buffer;
  readonly #path: PathChange | null;

  constructor({ hostname, path }: RewriteModel) {
    this.#authority = hostname === undefined ? NO_BYTES : latin1(hostname);
    this.#path = path === undefined ? null : new PathChange(path);
  }

  /** The target that goes on; the query is kept. `prefix` as `PathChange.of` takes it. */
  target(head: RequestHead, prefix: number): Target {
    if (this.#path === null) return { authority: this.#authority, path: NO_BYTES };
    const query = head.hasQuery ? `?${head.queryText()}` : "";
    return { authority: this.#authority, path: latin1(this.#path.of(head, prefix) + query) };
  }
}

/** A backend's rewrite has the last word on what it names; the rule's holds for the rest. */
export function compileRewrite(rule: RewriteModel | undefined, own: RewriteModel | undefined): Rewrite | null {
  return rule === undefined && own === undefined ? null : new Rewrite({ ...rule, ...own });
}
