import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  type Backend,
  echo,
  hangUp,
  inTurn,
  ok,
  raw,
  reset,
  type Script,
  stall,
  startBackend,
  truncated,
  truncatedChunked,
} from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { type Connection, CutShort } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { ONE_HOP, type PathKind, SHARED_HOPS, startPath } from "../harness/path.ts";
import type { Plane } from "../harness/plane.ts";

const MB = 1024 * 1024;
/** What the kernel may hold of two connections, with room to spare for us: a proxy that buffers takes all of `BULK`. */
const IN_THE_KERNEL = 2 * (kernelBuffer("rmem") + kernelBuffer("wmem")) + 8 * MB;
const BULK = IN_THE_KERNEL + 64 * MB - (IN_THE_KERNEL % MB);

/** What must hold of pressure, whatever lies between the client and the backend. */
export function wirePressure(path: PathKind): void {
  describe(`pressure over ${path}`, () => {
    const setUp = {} as { backend: Backend; hop: Plane };

    beforeAll(async () => {
      setUp.backend = await startBackend();
      setUp.hop = await startPath(path, setUp.backend.port);
    });

    afterEach(async () => {
      await eventually(() => setUp.hop.active === 0);
      expect(setUp.hop.warnings).toEqual([]);
    });

    afterAll(async () => {
      await setUp.hop?.[Symbol.asyncDispose]();
      await setUp.backend?.[Symbol.asyncDispose]();
    });

    describe("a reader that reads nothing stops the sender", () => {
      for (const coding of ["Content-Length", "Transfer-Encoding"] as const) {
        test(`down, with ${coding}, and gets every byte when it reads again`, async () => {
          const sent = { bytes: 0 };
          await using client = await served(bulk(sent, coding));
          client.connection.pause();
          await client.send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n");
          await standsStill(sent);

          expect(sent.bytes).toBeLessThan(IN_THE_KERNEL);
          client.connection.resume();
          const response = await client.response();

          expect(response.body.bytes.length).toBe(BULK);
          expect(isPattern(response.body.bytes)).toBe(true);
        }, 30_000);

        test(`up, with ${coding}, and gets every byte when it reads again`, async () => {
          const { promise: reading, resolve: read } = Promise.withResolvers<void>();
          await using client = await served(async (request, to) => {
            to.pause();
            await reading;
            to.resume();
            const { bytes } = await request.body;
            await ok(`${bytes.length} ${isPattern(bytes)}`)(request, to);
          });
          const sent = { bytes: 0 };
          const framing = coding === "Content-Length" ? `Content-Length: ${BULK}` : "Transfer-Encoding: chunked";
          await client.send(`PUT /up HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
          const sending = pour(client.connection, sent, coding);
          await standsStill(sent);

          expect(sent.bytes).toBeLessThan(IN_THE_KERNEL);
          read();
          await sending;

          expect((await client.response("PUT")).text).toBe(`${BULK} true`);
        }, 30_000);
      }

      // On a shared connection heads cannot be stopped: they are dropped while their reader does not read.
      const testUnlessShared = path === SHARED_HOPS ? test.skip : test;
      testUnlessShared(
        "of informational responses too",
        async () => {
          const sent = { bytes: 0 };
          const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${"a".repeat(8000)}>\r\n\r\n`.repeat(8);
          await using client = await served(async (request, to) => {
            for (; sent.bytes < BULK; sent.bytes += hint.length) await to.write(hint);
            await ok("done")(request, to);
          });
          client.connection.pause();
          await client.send("GET /hints HTTP/1.1\r\nHost: a\r\n\r\n");
          await standsStill(sent);

          expect(sent.bytes).toBeLessThan(IN_THE_KERNEL);
          client.connection.reset();
        },
        30_000,
      );
    });

    describe("a client that says no more", () => {
      test("behind its request still gets the response", async () => {
        await using client = await served(echo());

        await client.send("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        client.connection.shutdown();

        const response = await client.response("POST");
        expect([response.text, response.get("connection")]).toEqual(["hello", "close"]);
        expect(await client.ended).toBe("fin");
      });

      test("behind several requests gets all the responses", async () => {
        await using client = await served(ok("a"));

        await client.send("GET /half/1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
        client.connection.shutdown();

        for (let i = 0; i < 3; i++) expect((await client.response()).text).toBe("a");
        expect(await client.ended).toBe("fin");
        expect(await setUp.hop.lines(client, 3)).toHaveLength(3);
      });

      test("in the middle of its body has sent no request, and the upstream sees it broken off", async () => {
        for (const framing of ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]) {
          await using client = await served(echo());

          await client.send(`POST /cut HTTP/1.1\r\nHost: a\r\n${framing}`);
          await eventually(() => setUp.backend.requests.at(-1)?.target === "/cut");
          client.connection.shutdown();

          await expect(setUp.backend.requests.at(-1)!.body).rejects.toMatchObject({ ending: "reset" });
          expect(await client.ended).toBe("fin");
          expect(client.connection.unread).toHaveLength(0);
          await logged(client, { response_code: 0, response_flags: "DC" });
        }
      });
    });

    describe("a client that is gone", () => {
      test("before the response takes the upstream's connection with it", async () => {
        await using client = await served(stall());

        await client.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
        await eventually(() => setUp.backend.requests.at(-1)?.target === "/gone");
        client.connection.reset();

        expect(await lastConnection().ended).toBe("reset");
        await logged(client, { response_code: 0, response_flags: "DC" });
      });

      test("in the middle of the response stops the upstream", async () => {
        const sent = { bytes: 0 };
        await using client = await served(bulk(sent, "Content-Length"));

        await client.send("GET /gone/middle HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.head();
        client.connection.reset();

        expect(await lastConnection().ended).toBe("reset");
        expect(sent.bytes).toBeLessThan(BULK);
        await logged(client, { response_code: 200, response_flags: "DC" });
      });

      test("in the middle of its head was nobody", async () => {
        await using client = await served(ok("a"));

        await client.send("GET /nobody HTTP/1.1\r\nHo");
        client.connection.close();

        expect(await client.ended).toBe("fin");
        await using other = await connect(setUp.hop.port);
        await other.get("/somebody");
        await setUp.hop.line(other);
        await expect(setUp.hop.lines(client, 0)).resolves.toEqual([]);
      });
    });

    describe("a response that comes before the request is whole", () => {
      test("is passed on, and both connections end", async () => {
        await using client = await served(async (_, to) => to.write("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"));

        await client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome");

        const response = await client.response("POST");
        expect([response.status, response.text]).toEqual([403, "no"]);
        expect(await client.ended).toBe("fin");
        expect(await lastConnection().ended).not.toBe(null);
        await logged(client, { response_code: 403, response_flags: "-" });
      });

      test("reaches a client that goes on sending for a while", async () => {
        await using client = await served(async (_, to) => to.write("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"));
        const sent = { bytes: 0 };

        await client.send(`POST /early/on HTTP/1.1\r\nHost: a\r\nContent-Length: ${BULK}\r\n\r\n`);
        const sending = pour(client.connection, sent, "Content-Length");

        expect((await client.response("POST")).status).toBe(403);
        client.connection.reset();
        await sending;
      });

      test("may take its time while the request goes on", async () => {
        await using client = await served(async (request, to) => {
          await to.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
          const { bytes } = await request.body;
          await to.write(`${bytes.length.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`);
        });

        await client.send("POST /duplex HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        expect((await client.head()).status).toBe(200);
        await client.connection.until("the first chunk", "2\r\nhi\r\n");
        await client.send("3\r\nyou\r\n0\r\n\r\n");

        expect((await client.connection.until("the end", "0\r\n\r\n")).toString()).toBe("3\r\nyou\r\n0\r\n\r\n");
      });
    });

    describe("an upstream that is gone", () => {
      test.each([
        ["with a length, by FIN", truncated("hello", 10)],
        ["with a length, by RST", reset("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")],
        ["in chunks, by FIN", truncatedChunked(["hello"])],
        ["in chunks, by RST", reset("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")],
        ["in the middle of a chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello", true)],
        [
          "in the trailers",
          raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n", true),
        ],
        ["until the end, by RST", reset("HTTP/1.1 200 OK\r\n\r\nhello")],
      ])("in the middle of a response (%s) leaves one that looks truncated", async (_, script) => {
        await using client = await served(script);

        await client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");

        await expect(client.response()).rejects.toBeInstanceOf(CutShort);
        await logged(client, { response_code: 200, response_flags: "UC" });
      });

      test("in the middle of a response to HTTP/1.0 resets its connection: a FIN would look like the end", async () => {
        for (const script of [truncatedChunked(["hello"]), reset("HTTP/1.1 200 OK\r\n\r\nhello")]) {
          await using client = await served(script);

          await client.send("GET /cut HTTP/1.0\r\n\r\n");

          await expect(client.response()).rejects.toMatchObject({ ending: "reset" });
        }
      });

      test("before a response is tried again for GET, and nobody notices", async () => {
        for (const script of [hangUp(), reset()]) {
          await using client = await served(inTurn(script, ok("again")));

          const response = await client.get("/again");

          expect([response.status, response.text]).toEqual([200, "again"]);
          await logged(client, { response_code: 200, response_flags: "-", attempts: 2 });
        }
      });

      test("before a response is not tried again for POST: it may have been done", async () => {
        await using client = await served(hangUp());
        const seen = setUp.backend.requests.length;

        const response = await client.request({ method: "POST", target: "/once", body: "money" });

        expect(response.status).toBe(502);
        expect(setUp.backend.requests.length).toBe(seen + 1);
        await logged(client, { response_code: 502, response_flags: "UC", attempts: 1 });
      });

      test("before a response to POST without a body is not asked twice either", async () => {
        await using client = await served(inTurn(hangUp(), ok("twice")));

        expect((await client.request({ method: "POST", target: "/once/empty" })).status).toBe(502);
      });

      test("before a response to POST is asked again where its sender vouches for it, with its body", async () => {
        const bodies: string[] = [];
        const record: Script = async (request, to) => {
          bodies.push((await request.body).bytes.toString("latin1"));
          await ok("again")(request, to);
        };
        await using client = await served(inTurn(hangUp(), record));

        const fields = [["Idempotency-Key", "k"]] as const;
        const response = await client.request({ method: "POST", target: "/key", fields, body: "money" });

        expect([response.status, bodies]).toEqual([200, ["money"]]);
      });

      test("before a response to a body in chunks is asked again with all of them, but not without their trailers", async () => {
        await using client = await served(inTurn(hangUp(), echo()));

        await client.send(
          "PUT /chunks/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        );
        expect((await client.response("PUT")).text).toBe("abcde");

        setUp.backend.script = inTurn(hangUp(), echo());
        await client.send(
          "PUT /chunks/2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        );
        expect((await client.response("PUT")).status).toBe(502);
      });

      test("before a response, again and again, is 502 in the end", async () => {
        await using client = await served(hangUp());

        const response = await client.get("/never");

        expect(response.status).toBe(502);
        await logged(client, { response_code: 502, response_flags: "UC", attempts: 3 });
      });

      test("while a PUT's body still flows gets all of it the second time, or none", async () => {
        const bodies: string[] = [];
        await using client = await served(
          inTurn(
            async (_, to) => to.reset(),
            async (request, to) => {
              const { bytes } = await request.body;
              bodies.push(bytes.toString("latin1"));
              await ok("second")(request, to);
            },
          ),
        );
        const half = "x".repeat(60 * 1024);

        await client.send(`PUT /flows HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
        const parts = [half, half, "y"].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
        await client.send(parts.join(""));
        await client.send("0\r\n\r\n");

        const response = await client.response("PUT");
        expect([200, 502]).toContain(response.status);
        expect(bodies.filter((body) => body !== `${half}${half}y`)).toEqual([]);
      });
    });

    describe("an upstream that sends what is no response", () => {
      test.each([
        ["no status line", "hello\r\n\r\n"],
        ["HTTP/2", "\0\0\x12\x04\0\0\0\0\0"],
        ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"],
        ["a length beside a coding", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
        ["a folded line", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"],
        ["a control byte", "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n"],
        ["a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
        ["a switch nobody asked for", "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"],
        ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"a".repeat(62 * 1024)}`],
        ["a coding we do not have", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"],
      ])("(%s) is 502, and its connection ends", async (_, text) => {
        await using client = await served(raw(text));

        const response = await client.get("/malformed");

        expect([response.status, response.get("connection")]).toEqual([502, null]);
        expect(await lastConnection().ended).toBe("reset");
        await logged(client, { response_code: 502, response_flags: "UPE", attempts: 1 });
        setUp.backend.script = ok("a");
        expect((await client.get("/well-formed")).status).toBe(200);
      });

      test("in the middle of its chunks leaves a response that looks truncated", async () => {
        await using client = await served(
          raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n"),
        );

        await client.send("GET /malformed HTTP/1.1\r\nHost: a\r\n\r\n");

        await expect(client.response()).rejects.toBeInstanceOf(CutShort);
        await logged(client, { response_code: 200, response_flags: "UPE" });
      });
    });

    async function served(script: Script): Promise<Client> {
      setUp.backend.script = script;
      return await connect(setUp.hop.port);
    }

    /** Connection of the request that came last. */
    function lastConnection(): Connection {
      return setUp.backend.connections[setUp.backend.requests.at(-1)!.connection]!;
    }

    /** What the access log says, where no second proxy has a say in it. */
    async function logged(client: Client, line: Readonly<Record<string, unknown>>): Promise<void> {
      if (path === ONE_HOP) expect(await setUp.hop.line(client)).toMatchObject(line);
    }
  });
}

/** 200 with a lot of bytes that tell their place. */
function bulk(sent: { bytes: number }, coding: "Content-Length" | "Transfer-Encoding"): Script {
  return async (_, to) => {
    const framing = coding === "Content-Length" ? `Content-Length: ${BULK}` : "Transfer-Encoding: chunked";
    await to.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
    await pour(to, sent, coding);
  };
}

const PART = 64 * 1024;
const PATTERN = Buffer.from(Uint32Array.from({ length: PART / 4 }, (_, i) => Math.imul(i, 2654435761)).buffer);

async function pour(to: Connection, sent: { bytes: number }, coding: "Content-Length" | "Transfer-Encoding") {
  const chunk = Buffer.concat([Buffer.from(`${PART.toString(16)}\r\n`), PATTERN, Buffer.from("\r\n")]);
  while (sent.bytes < BULK && to.isOpen) {
    await to.write(coding === "Content-Length" ? PATTERN : chunk);
    sent.bytes += PART;
  }
  if (coding === "Transfer-Encoding") await to.write("0\r\n\r\n");
}

function isPattern(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += PART) {
    if (!bytes.subarray(at, at + PART).equals(PATTERN)) return false;
  }
  return true;
}

/** Waits until a counter has not moved for a while: the sender is blocked, or done. */
async function standsStill(sent: { bytes: number }): Promise<void> {
  let last = -1;
  let quiet = 0;
  await eventually(async () => {
    quiet = sent.bytes === last ? quiet + 1 : 0;
    last = sent.bytes;
    return quiet >= 40;
  }, 10_000);
}

/** Most that the kernel lets a TCP socket's buffer grow to. */
function kernelBuffer(name: "rmem" | "wmem"): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/tcp_${name}`, "utf8").trim().split(/\s+/)[2]);
}
