import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  answer,
  type Backend,
  chunked,
  echo,
  informational,
  inTurn,
  ok,
  raw,
  startBackend,
  untilClose,
} from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { type FieldLines, fieldValue } from "../harness/message.ts";
import { type PathKind, SHARED_HOPS, startPath } from "../harness/path.ts";
import type { Plane } from "../harness/plane.ts";

/** What must hold of exchanges, whatever lies between the client and the backend. */
export function wireExchanges(path: PathKind): void {
  describe(`exchanges over ${path}`, () => {
    const setUp = {} as { backend: Backend; hop: Plane };
    // HTTP/2 has names in lower case, and no words beside a status (RFC 9113, sections 8.2 and 8.3.2).
    const isHttp2 = path === SHARED_HOPS;
    const asSpelt = (fields: FieldLines): (readonly [string, string])[] =>
      isHttp2 ? fields.map(([name, value]) => [name.toLowerCase(), value] as const) : [...fields];

    beforeAll(async () => {
      setUp.backend = await startBackend();
      setUp.hop = await startPath(path, setUp.backend.port);
    });

    afterAll(async () => {
      await setUp.hop?.[Symbol.asyncDispose]();
      await setUp.backend?.[Symbol.asyncDispose]();
    });

    describe("a connection", () => {
      test("carries one exchange after the other, and so does the one to the upstream", async () => {
        await using client = await served(ok("a"));

        for (let i = 0; i < 5; i++) expect((await client.get(`/keep/${i}`)).text).toBe("a");

        const numbers = setUp.backend.requests
          .filter(({ target }) => target.startsWith("/keep/"))
          .map((r) => r.connection);
        expect(numbers).toHaveLength(5);
        expect(new Set(numbers).size).toBe(1);
      });

      test("answers requests that came in one piece in their order", async () => {
        await using client = await served(async (request, to) => ok(request.target)(request, to));

        await client.send(
          `GET /p/1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /p/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc` +
            `POST /p/3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\r\nHEAD /p/4 HTTP/1.1\r\nHost: a\r\n\r\n` +
            `GET /p/5 HTTP/1.1\r\nHost: a\r\n\r\n`,
        );

        const texts = [];
        for (const method of ["GET", "POST", "POST", "HEAD", "GET"]) texts.push((await client.response(method)).text);
        expect(texts).toEqual(["/p/1", "/p/2", "/p/3", "", "/p/5"]);
        expect((await setUp.hop.lines(client, 5)).map((line) => line["path"])).toEqual([
          "/p/1",
          "/p/2",
          "/p/3",
          "/p/4",
          "/p/5",
        ]);
      });

      test("of 500 pipelined requests loses none", async () => {
        await using client = await served(ok("x"));
        let text = "";
        for (let i = 0; i < 500; i++) text += `GET /many/${i} HTTP/1.1\r\nHost: a\r\n\r\n`;

        await client.send(text);

        for (let i = 0; i < 500; i++) expect((await client.response()).status).toBe(200);
        const targets = setUp.backend.requests.filter(({ target }) => target.startsWith("/many/")).map((r) => r.target);
        expect(targets).toEqual(Array.from({ length: 500 }, (_, i) => `/many/${i}`));
      });

      test("takes a request in pieces of a byte", async () => {
        await using client = await served(echo());

        for (const byte of "POST /bytes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-T: u\r\n\r\n") {
          await client.send(byte);
          await Bun.sleep(0);
        }

        expect((await client.response("POST")).text).toBe("abc");
        expect(setUp.backend.requests.at(-1)!.target).toBe("/bytes");
        expect((await setUp.backend.requests.at(-1)!.body).trailers).toEqual(asSpelt([["X-T", "u"]]));
      });

      test("is closed behind a request that says so, and the response says so too", async () => {
        await using client = await served(ok("bye"));

        const response = await client.get("/", [["Connection", "close"]]);

        expect([response.text, response.get("connection")]).toEqual(["bye", "close"]);
        expect(await client.ended).toBe("fin");
      });

      test.each(["GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /last HTTP/1.0\r\n\r\n"])(
        "ends behind %p, and what came behind that reaches nobody",
        async (last) => {
          await using client = await served(ok("last"));
          const seen = setUp.backend.requests.length;

          await client.send(`${last}GET /behind HTTP/1.1\r\nHost: a\r\n\r\n`);

          expect((await client.response()).text).toBe("last");
          expect(await client.ended).toBe("fin");
          expect(client.connection.unread).toHaveLength(0);
          expect(setUp.backend.requests.slice(seen).map(({ target }) => target)).toEqual(["/last"]);
        },
      );

      test("whose reader is slow carries large responses one after the other, whole and in order", async () => {
        const part = "0123456789abcdef".repeat(64 * 1024);
        await using client = await served(async (request, to) => ok(request.target + part)(request, to));
        client.connection.pause();
        for (let i = 0; i < 20; i++) await client.send(`GET /large/${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await eventually(() => setUp.backend.requests.at(-1)!.target.startsWith("/large/"));
        client.connection.resume();

        for (let i = 0; i < 20; i++) expect((await client.response()).text === `/large/${i}${part}`).toBe(true);
      });

      test("to an upstream that says close is not used again, and the downstream learns nothing of it", async () => {
        await using client = await served(ok("a", [["Connection", "close"]]));

        const first = await client.get("/closing/1");
        const second = await client.get("/closing/2");

        expect([first.get("connection"), second.get("connection")]).toEqual([null, null]);
        const numbers = setUp.backend.requests
          .filter(({ target }) => target.startsWith("/closing/"))
          .map((r) => r.connection);
        expect(new Set(numbers).size).toBe(2);
      });

      test("to an upstream that sent more than its response is not used again", async () => {
        await using client = await served(
          inTurn(
            raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
            ok("clean"),
          ),
        );

        expect((await client.get("/poison/1")).text).toBe("a");
        expect((await client.get("/poison/2")).text).toBe("clean");
      });

      test.each([
        ["a body", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"],
        ["no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
      ])("with more behind a response with %s answers no request that waits already", async (_, response) => {
        await using client = await served(
          inTurn(raw(`${response}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`), ok("clean")),
        );

        await client.send("GET /w/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /w/2 HTTP/1.1\r\nHost: a\r\n\r\n");

        expect((await client.response()).status).toBe(200);
        expect((await client.response()).text).toBe("clean");
      });

      test("to an upstream that sent something behind a 204 is not used again", async () => {
        await using client = await served(
          inTurn(raw("HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"), ok("clean")),
        );

        const first = await client.get("/nothing/1");
        expect([first.status, first.get("content-length")]).toEqual([204, null]);
        expect((await client.get("/nothing/2")).text).toBe("clean");
      });
    });

    describe("a body", () => {
      test("in chunks goes up in chunks, without their extensions, and its trailers with it", async () => {
        await using client = await served(echo());

        await client.send("POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
        await client.send('5;ext="a b"\r\nhello\r\n6\r\n world\r\n');
        await client.send("0\r\nX-Sum: 11\r\nx-other:  two \r\n\r\n");

        expect((await client.response("POST")).text).toBe("hello world");
        const received = setUp.backend.requests.at(-1)!;
        const body = await received.body;
        expect([body.framing, body.bytes.toString()]).toEqual(["chunked", "hello world"]);
        expect(body.trailers).toEqual(
          asSpelt([
            ["X-Sum", "11"],
            ["x-other", "two"],
          ]),
        );
        expect(fieldValue(received.fields, "trailer")).toBe("X-Sum");
        expect(received.raw).not.toContain("ext");
      });

      test("in chunks comes down in chunks, and its trailers with it", async () => {
        await using client = await served(chunked(["hello", " ", "world"], [["X-Sum", "11"]]));

        const response = await client.get("/down");

        expect(response.body.framing).toBe("chunked");
        expect(response.text).toBe("hello world");
        expect(response.body.trailers).toEqual(asSpelt([["X-Sum", "11"]]));
      });

      test("of known length keeps its length, both ways", async () => {
        await using client = await served(echo());
        const text = "abc".repeat(100_000);

        const response = await client.request({ method: "POST", target: "/length", body: text });

        expect([response.body.framing, response.text === text]).toEqual(["length", true]);
        expect((await setUp.backend.requests.at(-1)!.body).framing).toBe("length");
        const line = await setUp.hop.line(client);
        expect([line["bytes_received"], line["bytes_sent"]]).toEqual([300_000, 300_000]);
      });

      test("that ends with the upstream's connection comes down in chunks, whole", async () => {
        await using client = await served(untilClose("until the end"));

        const response = await client.get("/until");

        expect([response.body.framing, response.text]).toEqual(["chunked", "until the end"]);
        expect((await client.get("/until/again")).text).toBe("until the end");
      });

      test("is not there for HEAD, 204 and 304, whatever their fields say", async () => {
        await using client = await served(async (request, to) => {
          const status = Number(request.target.slice(1)) || 200;
          await to.write(`HTTP/1.1 ${status} X\r\nContent-Length: ${status === 204 ? 0 : 5}\r\nX-S: ${status}\r\n\r\n`);
        });

        const head = await client.request({ method: "HEAD", target: "/200" });
        expect([head.status, head.get("content-length"), head.text]).toEqual([200, "5", ""]);
        const none = await client.get("/204");
        expect([none.status, none.get("content-length"), none.get("transfer-encoding")]).toEqual([204, null, null]);
        const unchanged = await client.get("/304");
        expect([unchanged.status, unchanged.get("content-length")]).toEqual([304, "5"]);
        expect((await client.request({ method: "HEAD", target: "/200" })).status).toBe(200);
      });

      test("of no bytes is told as such", async () => {
        await using client = await served(echo());

        const response = await client.request({ method: "PUT", target: "/empty", body: "" });

        expect([response.get("content-length"), response.text]).toEqual(["0", ""]);
        expect(fieldValue(setUp.backend.requests.at(-1)!.fields, "content-length")).toBe("0");
      });
    });

    describe("100-continue", () => {
      test("comes from the upstream, and the body flows only then", async () => {
        await using client = await served(informational(100, [], echo()));

        await client.send("PUT /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        expect((await client.head()).status).toBe(100);
        await client.send("hello");

        expect((await client.response("PUT")).text).toBe("hello");
        expect(fieldValue(setUp.backend.requests.at(-1)!.fields, "expect")).toBe("100-continue");
      });

      test("is not waited for by a client that sends its body at once", async () => {
        await using client = await served(informational(100, [], echo()));

        await client.send("PUT /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");

        const response = await client.response("PUT");
        expect([response.informational.map(({ status }) => status), response.text]).toEqual([[100], "hello"]);
      });

      test("does not come where the upstream refuses, and the connection ends behind the refusal", async () => {
        await using client = await served(async (_, to) =>
          to.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        );

        await client.send("PUT /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");

        const response = await client.response("PUT");
        expect([response.status, response.informational, response.get("connection")]).toEqual([413, [], "close"]);
        expect(await client.ended).toBe("fin");
      });
    });

    test("informational responses pass, in their order, with their fields", async () => {
      await using client = await served(
        informational(
          103,
          [["Link", "</a.css>"]],
          informational(102, [], informational(103, [["Link", "</b.css>"]], ok("done"))),
        ),
      );

      const response = await client.get("/hints");

      expect(response.informational.map(({ status, fields }) => [status, fieldValue(fields, "link")])).toEqual([
        [103, "</a.css>"],
        [102, null],
        [103, "</b.css>"],
      ]);
      expect([response.status, response.text]).toEqual([200, "done"]);
    });

    describe("HTTP/1.0", () => {
      test("clients get a response that ends with the connection, and no chunks, 1xx or trailers", async () => {
        await using client = await served(informational(103, [], chunked(["hello", "world"], [["X-Sum", "1"]])));

        await client.send("GET /old HTTP/1.0\r\n\r\n");

        const response = await client.response();
        expect([response.body.framing, response.text, response.informational]).toEqual(["close", "helloworld", []]);
        expect(response.get("transfer-encoding")).toBe(null);
        const received = setUp.backend.requests.at(-1)!;
        expect(received.raw.startsWith("GET /old HTTP/1.1\r\nHost: ")).toBe(true);
      });

      test("clients that ask for it keep their connection where a length is known", async () => {
        await using client = await served(ok("a"));

        for (let i = 0; i < 2; i++) {
          await client.send("GET /old/keep HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
          const response = await client.response();
          expect([response.text, response.get("connection")]).toEqual(["a", "keep-alive"]);
        }
        await client.send("GET /old/end HTTP/1.0\r\nHost: a\r\n\r\n");
        expect((await client.response()).get("connection")).toBe("close");
        expect(await client.ended).toBe("fin");
      });

      test("upstreams are understood, and their connections used once unless they say otherwise", async () => {
        await using client = await served(raw("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", true));
        expect((await client.get("/up/1")).text).toBe("a");
        setUp.backend.script = raw("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nb");
        expect((await client.get("/up/2")).text).toBe("b");
        expect((await client.get("/up/3")).text).toBe("b");

        const numbers = setUp.backend.requests
          .filter(({ target }) => target.startsWith("/up/"))
          .map((r) => r.connection);
        expect(numbers[1]).not.toBe(numbers[0]!);
        expect(numbers[2]).toBe(numbers[1]!);
        expect((await client.get("/up/4")).version).toBe("HTTP/1.1");
      });
    });

    describe("a request's target", () => {
      test("in absolute form goes on in origin form, with its authority as Host", async () => {
        await using client = await served(ok("a"));

        await client.send("GET http://shop.example:8080/a/../b?c=d HTTP/1.1\r\nHost: other\r\n\r\n");

        expect((await client.response()).status).toBe(200);
        const { raw: head } = setUp.backend.requests.at(-1)!;
        expect(head.startsWith("GET /a/../b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\n")).toBe(true);
        expect(head.match(/^host:/gim)).toHaveLength(1);
      });

      test("in absolute form without a path goes on as /", async () => {
        await using client = await served(ok("a"));

        await client.get("http://shop.example?q");

        expect(setUp.backend.requests.at(-1)!.target).toBe("/?q");
      });

      test("keeps every byte: dots, escapes, slashes, odd characters", async () => {
        await using client = await served(ok("a"));
        for (const target of [
          "//a//b/",
          "/a/./../b",
          "/%2e%2E/%00%2f",
          '/"<>[]^`{|}~\\',
          "/?",
          "/a?b?c=/../",
          "/;a=b",
        ]) {
          expect((await client.get(target)).status).toBe(200);
          expect(setUp.backend.requests.at(-1)!.target).toBe(target);
        }
      });

      test("* of OPTIONS goes on as it is", async () => {
        await using client = await served(ok("a"));

        await client.request({ method: "OPTIONS", target: "*" });

        expect(setUp.backend.requests.at(-1)!.target).toBe("*");
      });

      test("with a method nobody knows goes on as it is", async () => {
        await using client = await served(ok("a"));

        expect((await client.request({ method: "x-Frob!", target: "/m" })).status).toBe(200);

        expect(setUp.backend.requests.at(-1)!.method).toBe("x-Frob!");
      });
    });

    describe("fields", () => {
      test("of the connection end at this hop, and those that Connection names, both ways", async () => {
        await using client = await served(
          raw(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-down, keep-alive\r\nX-Down: 1\r\nKeep-Alive: timeout=5\r\n" +
              "Proxy-Connection: a\r\nUpgrade: h2c\r\nX-Stays: 2\r\n\r\n",
          ),
        );

        const response = await client.get("/hop", [
          ["Connection", "x-up, close-not, Keep-Alive"],
          ["X-Up", "1"],
          ["x-up", "2"],
          ["Keep-Alive", "300"],
          ["Proxy-Connection", "keep-alive"],
          ["Proxy-Authorization", "Basic aTpw"],
          ["TE", "deflate"],
          ["Upgrade", "h2c"],
          ["X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/a/sa/forged"],
          ["X-Stays", "yes"],
        ]);

        const names = setUp.backend.requests.at(-1)!.fields.map(([name]) => name.toLowerCase());
        expect(names.sort()).toEqual(["host", "x-request-id", "x-stays"]);
        expect(response.fields.map(([name]) => name.toLowerCase()).sort()).toEqual(["content-length", "x-stays"]);
      });

      test("otherwise keep their order, case, repetition and bytes", async () => {
        await using client = await served(
          raw(
            "HTTP/1.1 200 \r\nset-cookie: a\r\nSET-Cookie: b\r\nX-\xdf:\r\nContent-Length: 0\r\n\r\n".replace(
              "X-\xdf",
              "X-Empty",
            ),
          ),
        );

        const response = await client.get("/fields", [
          ["b", "1"],
          ["A", "2"],
          ["b", " 3\t"],
          ["X-Latin", "D\xfcsseldorf \xff"],
          ["X-Empty", ""],
        ]);

        const fields = setUp.backend.requests.at(-1)!.fields.filter(([name]) => !/^(host|x-request-id)$/i.test(name));
        expect(fields).toEqual(
          asSpelt([
            ["b", "1"],
            ["A", "2"],
            ["b", "3"],
            ["X-Latin", "D\xfcsseldorf \xff"],
            ["X-Empty", ""],
          ]),
        );
        expect(response.reason).toBe(isHttp2 ? "OK" : "");
        expect(response.fields).toEqual(
          asSpelt([
            ["set-cookie", "a"],
            ["SET-Cookie", "b"],
            ["X-Empty", ""],
            ["Content-Length", "0"],
          ]),
        );
      });

      test("of a request without an id get one, and the access log has it", async () => {
        await using client = await served(ok("a"));

        await client.get("/id");
        await client.get("/id", [["X-Request-Id", "mine"]]);

        const [made, mine] = await setUp.hop.lines(client, 2);
        const seen = setUp.backend.requests.slice(-2).map(({ fields }) => fieldValue(fields, "x-request-id"));
        expect(seen).toEqual([made!["request_id"] as string, "mine"]);
        expect(mine!["request_id"]).toBe("mine");
        expect(seen[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      });
    });

    test("a response of a size no buffer has comes whole, whatever its chunks", async () => {
      const part = Buffer.alloc(70_001, "x");
      await using client = await served(chunked([part, "y", part, part]));

      const response = await client.get("/odd");

      expect(response.body.bytes.length).toBe(3 * 70_001 + 1);
      expect(response.body.bytes.equals(Buffer.concat([part, Buffer.from("y"), part, part]))).toBe(true);
    });

    test("an answer that says nothing of its status is passed on with its own", async () => {
      await using client = await served(answer(299, "odd"));

      const response = await client.get("/status");

      expect([response.status, response.reason, response.text]).toEqual([299, isHttp2 ? "" : "Scripted", "odd"]);
      expect((await setUp.hop.line(client))["response_code"]).toBe(299);
    });

    /** A client of the hop, whose backend does as the script says from now on. */
    async function served(script: Backend["script"]): Promise<Client> {
      setUp.backend.script = script;
      return await connect(setUp.hop.port);
    }
  });
}
