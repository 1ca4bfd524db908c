import { describe, expect, test } from "bun:test";
import {
  bothCall,
  type Client,
  downCall,
  type GrpcBackend,
  grpcClient,
  Metadata,
  startGrpc,
  status,
  unaryCall,
  upCall,
} from "../harness/grpc.ts";
import { certificates, eventually } from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

interface Path {
  readonly backend: GrpcBackend;
  readonly client: Client;
  /** The proxy the client calls. */
  readonly first: Plane;
  [Symbol.asyncDispose](): Promise<void>;
}

async function oneHop(): Promise<Path> {
  const backend = await startGrpc();
  const plane = await startPlane(backend.port);
  return pathOf(backend, [plane]);
}

/** Two proxies with mutual TLS between them. */
async function twoHops(): Promise<Path> {
  const backend = await startGrpc();
  const ca = await certificates();
  const identity = await ca.issue("spiffe://cluster.local/ns/default/sa/web");
  const second = await startPlane(backend.port, { identity });
  const first = await startPlane(second.port, { identity, transport: "plain", upstreamTls: true });
  return pathOf(backend, [first, second], () => ca[Symbol.asyncDispose]());
}

function pathOf(backend: GrpcBackend, planes: readonly Plane[], dispose = async () => {}): Path {
  const client = grpcClient(planes[0]!.port);
  return {
    backend,
    client,
    first: planes[0]!,
    async [Symbol.asyncDispose]() {
      client.close();
      for (const plane of planes) {
        await eventually(() => plane.active === 0);
        expect(plane.warnings).toEqual([]);
        await plane[Symbol.asyncDispose]();
      }
      await backend[Symbol.asyncDispose]();
      await dispose();
    },
  };
}

for (const [name, start] of [
  ["one hop", oneHop],
  ["two hops with mutual TLS", twoHops],
] as const) {
  describe(`gRPC over ${name}:`, () => {
    test("a message and its answer, an empty one too, and one of 8 MB", async () => {
      await using path = await start();

      for (const message of [Buffer.from("hello"), Buffer.alloc(0), Buffer.alloc(8 * 1024 * 1024, 7)]) {
        const end = await unaryCall(path.client, "Unary", message);
        expect([end.code, end.message?.equals(message)]).toEqual([status.OK, true]);
      }
    });

    test("a hundred calls at once", async () => {
      await using path = await start();

      const ends = await Promise.all(
        Array.from({ length: 100 }, (_, i) => unaryCall(path.client, "Unary", Buffer.from(`call ${i}`))),
      );

      expect(ends.map(({ message }) => String(message))).toEqual(ends.map((_, i) => `call ${i}`));
    });

    test("streams down, up and both ways, with half close", async () => {
      await using path = await start();

      expect(await downCall(path.client, 1_000)).toHaveLength(1_000);
      expect(
        await upCall(
          path.client,
          Array.from({ length: 100 }, () => Buffer.alloc(10_000)),
        ),
      ).toBe("1000000");
      expect(await bothCall(path.client, ["a", "b", "c"])).toEqual(["a", "b", "c"]);
    });

    test("a status with a message in any language, and metadata of text and bytes", async () => {
      await using path = await start();
      const metadata = new Metadata();
      metadata.set("x-text", "plain");
      metadata.set("x-bytes-bin", Buffer.from([0, 255, 10, 13]));

      const failed = await unaryCall(path.client, "Fail", Buffer.from("größer als ≥ 100 %"));
      const answered = await unaryCall(path.client, "Unary", Buffer.from("x"), { metadata });

      expect([failed.code, failed.details]).toEqual([status.FAILED_PRECONDITION, "größer als ≥ 100 %"]);
      expect(answered.trailers!.get("x-text")).toEqual(["plain"]);
      expect(answered.trailers!.get("x-bytes-bin")).toEqual([Buffer.from([0, 255, 10, 13])]);
    });

    test("a method that the server does not have", async () => {
      await using path = await start();

      expect((await unaryCall(path.client, "Nothing", Buffer.from("x"))).code).toBe(status.UNIMPLEMENTED);
    });

    test("a deadline reaches the server shortened, and ends the call on both sides", async () => {
      await using path = await start();

      const end = await unaryCall(path.client, "Hang", Buffer.from("x"), { deadlineMs: 300 });

      expect(end.code).toBe(status.DEADLINE_EXCEEDED);
      expect(path.backend.deadlineMs()).toBeLessThanOrEqual(300);
      await eventually(() => path.backend.cancelled.includes("Hang"));
    });

    test("a call that is cancelled is cancelled at the server", async () => {
      await using path = await start();
      let cancel = () => {};

      const ended = unaryCall(path.client, "Hang", Buffer.from("x"), {
        onCall: (how) => {
          cancel = how;
        },
      });
      await eventually(() => path.backend.calls.includes("Hang"));
      cancel();

      expect((await ended).code).toBe(status.CANCELLED);
      await eventually(() => path.backend.cancelled.includes("Hang"));
    });

    test("a server that goes away ends the calls it has, and the next ones get a well-formed error", async () => {
      await using path = await start();
      const call = path.client.makeBidiStreamRequest(
        "/test.Echo/Both",
        (b: Buffer) => b,
        (b: Buffer) => b,
      );
      const seen: string[] = [];
      call.on("data", (bytes: Buffer) => seen.push(String(bytes)));
      const ended = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
      call.write(Buffer.from("before"));
      await eventually(() => seen.length === 1);

      const drained = path.backend.drain();
      call.write(Buffer.from("behind"));
      call.end();

      expect(await ended).toBe(status.OK);
      expect(seen).toEqual(["before", "behind"]);
      await drained;
      const next = await unaryCall(path.client, "Unary", Buffer.from("x"));
      expect([next.code, next.trailers !== null]).toEqual([status.UNAVAILABLE, true]);
    });

    test("what the call said of itself is counted", async () => {
      await using path = await start();

      await unaryCall(path.client, "Fail", Buffer.from("x"));

      const labels = { response_code: "200", grpc_response_status: String(status.FAILED_PRECONDITION) };
      await eventually(async () => (await path.first.metric("istio_requests_total", labels)) === 1);
    });
  });
}
