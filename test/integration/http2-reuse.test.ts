import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Backend, echo, reset, startBackend } from "../harness/backend.ts";
import { seeded } from "../harness/http1-reader.ts";
import { connectHttp2, frame, type Http2Peer, post, RST_STREAM, uint32 } from "../harness/http2.ts";
import { eventually } from "../harness/mod.ts";
import { ONE_HOP, SHARED_HOPS, startPath } from "../harness/path.ts";
import type { Plane } from "../harness/plane.ts";

const ROUNDS = 30;
const AT_ONCE = 40;
const CANCEL = 8;

/** What becomes of a request, by a number between 0 and 1. */
const fateOf = (chance: number): "cancelled" | "broken" | "echoed" =>
  chance < 0.2 ? "cancelled" : chance < 0.3 ? "broken" : "echoed";

for (const path of [ONE_HOP, SHARED_HOPS] as const) {
  describe(`streams over ${path}`, () => {
    const setUp = {} as { backend: Backend; hop: Plane };

    beforeAll(async () => {
      setUp.backend = await startBackend(async (request, to) => {
        if (request.target !== "/broken") return await echo()(request, to);
        await request.body;
        await reset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")(request, to);
      });
      setUp.hop = await startPath(path, setUp.backend.port);
    });

    afterAll(async () => {
      expect(setUp.hop.warnings).toEqual([]);
      await setUp.hop[Symbol.asyncDispose]();
      await setUp.backend[Symbol.asyncDispose]();
    });

    test("are used again, and nobody gets what belongs to another, whoever gives up or breaks", async () => {
      const random = seeded(1);
      await using client = await connectHttp2(setUp.hop.port, [[4, 1_000_000]]);
      for (let round = 0; round < ROUNDS; round++) {
        const checks = Array.from({ length: AT_ONCE }, (_, i) => exchange(client, `${round}-${i}.`, random));
        for (const check of checks) await check();
      }
      await eventually(() => setUp.hop.active === 0);
    }, 60_000);
  });
}

/** Sends a request with a body that says whose it is; what to expect of it. */
function exchange(client: Http2Peer, tag: string, random: () => number): () => Promise<void> {
  const fate = fateOf(random());
  // One frame: what is longer would have to be cut.
  const body = tag.repeat(1 + Math.floor((random() * 16_000) / tag.length));
  const stream = client.request(post(fate === "broken" ? "/broken" : "/echo"), body);
  if (fate === "cancelled") client.write(frame(RST_STREAM, 0, stream, uint32(CANCEL)));
  return async () => {
    if (fate === "cancelled") return;
    const response = await client.response(stream);
    if (fate === "broken") expect(response.reset).not.toBeNull();
    else expect([response.status, String(response.body) === body]).toEqual(["200", true]);
  };
}
