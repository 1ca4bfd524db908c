import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Backend, ok, type Script, startBackend, tunnel } from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { fieldValue } from "../harness/message.ts";
import { ONE_HOP, type PathKind, startPath } from "../harness/path.ts";
import type { Plane } from "../harness/plane.ts";

const UPGRADE = [
  ["Connection", "keep-alive, Upgrade"],
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
] as const;
const MB = 1024 * 1024;

/** What must hold of tunnels, whatever lies between the client and the backend. */
export function wireTunnels(path: PathKind): void {
  describe(`tunnels over ${path}`, () => {
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

    describe("an upgrade", () => {
      test("becomes a tunnel when the upstream agrees, until both sides have said all", async () => {
        await using client = await served(tunnel("websocket"));

        const response = await client.get("/ws", UPGRADE);

        expect([response.status, response.get("upgrade"), response.get("connection")]).toEqual([
          101,
          "websocket",
          "upgrade",
        ]);
        const { fields } = setUp.backend.requests.at(-1)!;
        expect([fieldValue(fields, "upgrade"), fieldValue(fields, "connection")]).toEqual(["websocket", "upgrade"]);
        for (const text of ["hello", "\0\xff\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]) {
          await client.send(text);
          expect((await client.connection.exactly("an echo", text.length)).toString("latin1")).toBe(text);
        }
        client.connection.shutdown();
        expect(await client.ended).toBe("fin");
        await logged(client, { response_code: 101, response_flags: "-", bytes_received: 29 });
      });

      test("carries a lot both ways at once, and keeps its order", async () => {
        await using client = await served(tunnel("websocket"));
        await client.get("/ws/bulk", UPGRADE);
        const part = Buffer.from(Uint32Array.from({ length: MB / 4 }, (_, i) => Math.imul(i, 2654435761)).buffer);

        const sending = (async () => {
          for (let i = 0; i < 16; i++) await client.send(part);
        })();

        for (let i = 0; i < 16; i++) {
          expect((await client.connection.exactly("an echo", MB)).equals(part)).toBe(true);
        }
        await sending;
      });

      test("takes what the client sent behind its request along", async () => {
        await using client = await served(tunnel("websocket"));

        await client.send(
          "GET /ws/eager HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\neager",
        );

        expect((await client.head()).status).toBe(101);
        expect((await client.connection.exactly("an echo", 5)).toString()).toBe("eager");
      });

      test("takes what the upstream sent behind its answer along", async () => {
        await using client = await served(async (_, to) => {
          await to.write("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
          to.close();
        });

        await client.send("GET /ws/first HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");

        expect((await client.head()).status).toBe(101);
        expect((await client.connection.rest("the first bytes")).toString()).toBe("first");
      });

      test("ends one direction at a time", async () => {
        await using client = await served(async (_, to) => {
          await to.write("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n");
          const said = await to.rest("all that the client says");
          await to.write(`you said ${said}`);
          to.close();
        });

        await client.get("/ws/half", [
          ["Connection", "upgrade"],
          ["Upgrade", "a/1"],
        ]);
        await client.send("hello");
        client.connection.shutdown();

        expect((await client.connection.rest("the answer")).toString()).toBe("you said hello");
      });

      test("whose upstream has said all first still carries all that the client says, however slowly it is read", async () => {
        const read = Promise.withResolvers<number>();
        const resumed = Promise.withResolvers<void>();
        await using client = await served(async (_, to) => {
          await to.write("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n");
          to.shutdown();
          to.pause();
          await resumed.promise;
          to.resume();
          read.resolve((await to.rest("all that the client says")).length);
        });
        await client.get("/ws/half", [
          ["Connection", "upgrade"],
          ["Upgrade", "a/1"],
        ]);
        await client.connection.rest("the upstream's end");

        const sent = client.send(Buffer.alloc(MB)).then(() => client.connection.shutdown());
        await Promise.race([sent, eventually(() => setUp.hop.active === 0).catch(() => {})]);
        resumed.resolve();

        expect(await read.promise).toBe(MB);
      });

      test("that breaks on one side breaks on the other", async () => {
        await using client = await served(tunnel("websocket"));
        await client.get("/ws/reset", UPGRADE);

        client.connection.reset();

        expect(await setUp.backend.connections[setUp.backend.requests.at(-1)!.connection]!.ended).toBe("reset");

        await using other = await served(async (_, to) => {
          await to.write("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
          await to.some("a byte");
          to.reset();
        });
        await other.get("/ws/reset", UPGRADE);
        await other.send("x");
        expect(await other.ended).toBe("reset");
      });

      test("that the upstream declines leaves an exchange like any other", async () => {
        await using client = await served(ok("no"));

        const response = await client.get("/ws/no", UPGRADE);

        expect([response.status, response.text, response.get("upgrade")]).toEqual([200, "no", null]);
        expect((await client.get("/next")).status).toBe(200);
      });

      test.each([
        [
          "h2c",
          [
            ["Connection", "upgrade, http2-settings"],
            ["Upgrade", "h2c"],
            ["HTTP2-Settings", "AAMAAABkAAQAAP__"],
          ],
        ],
        [
          "HTTP/2.0",
          [
            ["Connection", "upgrade"],
            ["Upgrade", "HTTP/2.0"],
          ],
        ],
        [
          "TLS/1.2",
          [
            ["Connection", "upgrade"],
            ["Upgrade", "TLS/1.2"],
          ],
        ],
        [
          "one of two",
          [
            ["Connection", "upgrade"],
            ["Upgrade", "websocket, h2c"],
          ],
        ],
        ["nothing of Connection", [["Upgrade", "websocket"]]],
      ] as const)("to %s is not passed on, but the request is", async (_, fields) => {
        await using client = await served(ok("plain"));

        const response = await client.get("/no-upgrade", fields);

        expect([response.status, response.text]).toEqual([200, "plain"]);
        const names = setUp.backend.requests.at(-1)!.fields.map(([name]) => name.toLowerCase());
        expect(names.sort()).toEqual(["host", "x-request-id"]);
      });
    });

    describe("CONNECT", () => {
      test("to a listener of one service is refused", async () => {
        await using client = await connect(setUp.hop.port);

        const response = await client.request({ method: "CONNECT", target: `127.0.0.1:${setUp.backend.port}` });

        expect(response.status).toBe(405);
        await logged(client, {
          method: "CONNECT",
          response_code: 405,
          response_flags: "DPE",
        });
      });

      test.each([
        ["an endpoint's own address", "127.0.0.1", { protocol: "TCP", upstream_cluster: "default/web:80" }],
        ["a host outside the mesh", "localhost", { method: "CONNECT", response_code: 200 }],
      ])("through the forward proxy is a tunnel to where it says: %s", async (_, host, line) => {
        setUp.backend.script = ok("inside");
        await using client = await connect(setUp.hop.forwardPort);
        const target = `${host}:${setUp.backend.port}`;

        const response = await client.request({ method: "CONNECT", target, fields: [["Host", target]] });

        expect([response.status, response.get("content-length"), response.get("transfer-encoding")]).toEqual([
          200,
          null,
          null,
        ]);
        expect((await client.get("/in/the/tunnel")).text).toBe("inside");
        expect(setUp.backend.requests.at(-1)!.target).toBe("/in/the/tunnel");
        client.connection.shutdown();
        expect(await client.ended).toBe("fin");
        await logged(client, { ...line, response_flags: "-" });
      });

      test("takes what the client sent behind it along", async () => {
        setUp.backend.script = ok("eager");
        await using client = await connect(setUp.hop.forwardPort);
        const target = `127.0.0.1:${setUp.backend.port}`;

        await client.send(
          `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\nGET /eager HTTP/1.1\r\nHost: a\r\n\r\n`,
        );

        expect((await client.response("CONNECT")).status).toBe(200);
        expect((await client.response()).text).toBe("eager");
      });

      test("to where nobody listens is 503", async () => {
        await using client = await connect(setUp.hop.forwardPort);

        const response = await client.request({
          method: "CONNECT",
          target: "127.0.0.1:1",
          fields: [["Host", "127.0.0.1:1"]],
        });

        expect(response.status).toBe(503);
        await logged(client, { response_code: 503, response_flags: "UF" });
      });

      test.each(["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"])(
        "with a body (%p) is refused",
        async (field) => {
          await using client = await connect(setUp.hop.forwardPort);

          await client.send(`CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n${field}\r\nabc`);

          expect((await client.response("CONNECT")).status).toBe(400);
          expect(await client.ended).toBe("fin");
        },
      );
    });

    describe("the forward proxy", () => {
      test("knows the mesh's services by their names, in absolute form and by Host", async () => {
        setUp.backend.script = ok("web");
        await using client = await connect(setUp.hop.forwardPort);

        for (const target of ["http://web/a", "http://WEB.default.svc.cluster.local:80/a"]) {
          expect((await client.get(target)).text).toBe("web");
          expect(setUp.backend.requests.at(-1)!.target).toBe("/a");
        }
        expect((await client.get("/b", [["Host", "web"]])).text).toBe("web");
      });

      test("does not call itself", async () => {
        const { forwardPort } = setUp.hop;
        for (const [method, target] of [
          ["GET", `http://127.0.0.1:${forwardPort}/`],
          ["GET", `http://localhost:${forwardPort}/`],
          ["CONNECT", `0.0.0.0:${forwardPort}`],
        ] as const) {
          await using client = await connect(forwardPort);

          const response = await client.request({ method, target });

          expect(response.status).toBe(502);
          expect(await setUp.hop.line(client)).toMatchObject({
            response_flags: "NR",
            response_code_details: expect.stringContaining("it is this proxy itself"),
          });
        }
      });

      test("goes outside for the others", async () => {
        setUp.backend.script = ok("outside");
        await using client = await connect(setUp.hop.forwardPort);

        const response = await client.get(`http://127.0.0.1:${setUp.backend.port}/out?side`);

        expect([response.status, response.text]).toEqual([200, "outside"]);
        const { raw } = setUp.backend.requests.at(-1)!;
        expect(raw.startsWith(`GET /out?side HTTP/1.1\r\nHost: 127.0.0.1:${setUp.backend.port}\r\n`)).toBe(true);
      });
    });

    async function served(script: Script): Promise<Client> {
      setUp.backend.script = script;
      return await connect(setUp.hop.port);
    }

    /** What the access log says, where no second proxy has a say in it. */
    async function logged(client: Client, line: Readonly<Record<string, unknown>>): Promise<void> {
      if (path === ONE_HOP) expect(await setUp.hop.line(client)).toMatchObject(line);
    }
  });
}
