import { latin1 } from "../../base/mod.ts";
import { Method, RequestHead } from "../../http/mod.ts";
import type { RequestFacts } from "../plugin.ts";

/** A request that every policy must have a verdict on: GET / without headers, from nobody. */
export function selfTestHead(): RequestHead {
  const head = new RequestHead();
  head.bytes = latin1("/self-test.mesh");
  head.method = Method.Get;
  head.pathEnd = 1;
  head.authorityStart = 1;
  head.authorityEnd = head.hostEnd = head.bytes.length;
  return head;
}

export const selfTestFacts: RequestFacts = {
  peer: null,
  address: "127.0.0.1",
  service: "",
  route: "",
  changes: null,
};
