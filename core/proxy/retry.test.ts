import { describe, expect, test } from "bun:test";
import { servingDouble, snapshotOf } from "../../test/harness/serving.ts";
import { RetryBudget } from "../cluster/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import {
  isBodyLost,
  isIdempotent,
  keepPiece,
  MAX_ATTEMPTS,
  prepareReplay,
  REPLAY_BYTES,
  retryRefusal,
} from "./retry.ts";

test.each([
  ["GET", true],
  ["HEAD", true],
  ["PUT", true],
  ["DELETE", true],
  ["OPTIONS", true],
  ["TRACE", true],
  ["POST", false],
  ["PATCH", false],
  ["BREW", false],
])("sending %s twice means the same as once: %p", (method, idempotent) => {
  expect(isIdempotent(begun({ method }))).toBe(idempotent);
});

test("the author of a request may vouch for it", () => {
  expect(isIdempotent(begun({ method: "POST", headers: [["Idempotency-Key", "1"]] }))).toBe(true);
});

describe("another attempt is refused", () => {
  test("once the response has begun", () => {
    const exchange = begun({});
    Object.assign(exchange.downstream!, { responseStarted: true });

    expect(refusal(exchange, false)).toBe("the response has begun");
  });

  test("after the last one", () => {
    const exchange = begun({});
    exchange.attempts = MAX_ATTEMPTS;

    expect(refusal(exchange, false)).toBe("3 attempts have failed");
  });

  test("to what was sent and may not be sent twice, but not to what never left", () => {
    expect(refusal(begun({ method: "POST" }), true)).toBe("the request was sent and may not be repeated");
    expect(refusal(begun({ method: "POST" }), false)).toBeNull();
  });

  test("beyond the budget, which only an attempt that is made is charged to", () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1_000; i++) retryRefusal(begun({ method: "POST" }), asked(true), budget, 0);
    let made = 0;
    while (retryRefusal(begun({}), asked(true), budget, 0) === null) made++;

    expect(made).toBe(100);
    expect(retryRefusal(begun({}), asked(true), budget, 0)).toBe("the retry budget is used up");
  });
});

describe("a body", () => {
  test("is kept up to its limit, whole, and not at all from there on", () => {
    const exchange = begun({ method: "PUT", length: -2 });
    prepareReplay(exchange);

    piece(exchange, REPLAY_BYTES);
    expect([isBodyLost(exchange), exchange.replay!.length]).toEqual([false, 1]);
    piece(exchange, 1);
    expect([isBodyLost(exchange), exchange.replay]).toEqual([true, null]);
  });

  test("that says it is too long, or that may not be sent twice, is never kept", () => {
    const [long, post] = [begun({ method: "PUT", length: REPLAY_BYTES + 1 }), begun({ method: "POST", length: 5 })];
    for (const exchange of [long, post]) prepareReplay(exchange);

    expect([long.replay, post.replay]).toEqual([null, null]);
  });

  test("of which nothing was read yet is not lost", () => {
    const exchange = begun({ method: "PUT", length: REPLAY_BYTES + 1 });

    expect(isBodyLost(exchange)).toBe(false);
    expect(refusal(exchange, true)).toBeNull();
  });

  test("is copied: the bytes it came in belong to the wire", () => {
    const exchange = begun({ method: "PUT", length: 3 });
    prepareReplay(exchange);
    const bytes = Buffer.from("abc");

    keepPiece(exchange, bytes, 0, 3);
    bytes.fill(0);

    expect(exchange.replay!.join("")).toBe("abc");
  });
});

function begun(text: Parameters<ReturnType<ReturnType<typeof servingDouble>["stream"]>["begin"]>[0]): MeshExchange {
  return servingDouble(snapshotOf([]))
    .stream({ direction: "outbound", route: () => false })
    .begin(text);
}

function piece(exchange: MeshExchange, size: number): void {
  exchange.requestBytes += size;
  keepPiece(exchange, Buffer.alloc(size), 0, size);
}

function refusal(exchange: MeshExchange, sent: boolean): string | null {
  return retryRefusal(exchange, asked(sent), new RetryBudget(), 0);
}

function asked(sent: boolean) {
  return { cause: "reset", sent, pauseMs: 0 } as const;
}
