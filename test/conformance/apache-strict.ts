import { describe, expect, test } from "bun:test";
import apache from "../fixtures/vectors/http1/apache-http-strict.json";

/** What became of a request: it was taken, told a status, or is not whole and waits for more. */
export type Answer = "accepted" | "incomplete" | "400" | "431" | "501" | "505";

/** Where the house differs from Apache's strict mode, by request, with the reason. */
const EXCEPTIONS: Readonly<Record<string, { readonly answer: Answer; readonly why: string }>> = {
  "get / HTTP/1.0\r\n\r\n": {
    answer: "accepted",
    why: "a proxy does not know every method; the app decides",
  },
  "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n": {
    answer: "505",
    why: "a major version we do not speak is not read as if we did (RFC 9110, section 15.6.6)",
  },
  "GET / HTTP/1.0\r\r": { answer: "400", why: "told at once, where Apache waits for the line to end" },
  "GET /\r\n": { answer: "400", why: "told at once; Apache drops the connection" },
  "GET / HTTP/1.0\r\nHost: localhost:80 x\r\n\r": {
    answer: "incomplete",
    why: "the line feed that would end the head is missing: 408 at the head deadline; with it, 400",
  },
  "GET /regression-header HTTP/1.1\r\nHost:localhost\r\n\r\n": {
    answer: "accepted",
    why: "Apache's 500 comes from a handler in its test suite",
  },
};

/** Apache's strict table, for whatever takes requests. */
export function apacheStrict(answer: (request: Buffer) => Promise<Answer>): void {
  describe("Apache's strict table", () => {
    test("is all there", () => {
      expect(apache.cases).toHaveLength(80);
      const requests = apache.cases.map(({ request }) => request);
      expect(Object.keys(EXCEPTIONS).filter((request) => !requests.includes(request))).toEqual([]);
    });

    for (const { request, request_base64, expect_strict } of apache.cases) {
      test(JSON.stringify(request), async () => {
        const exception = EXCEPTIONS[request];

        const told = await answer(Buffer.from(request_base64, "base64"));

        if (exception === undefined) expect(answersOf(expect_strict)).toContain(told);
        else expect(told).toBe(exception.answer);
      });
    }

    test("a malformed Host is refused once its head is whole", async () => {
      expect(await answer(Buffer.from("GET / HTTP/1.0\r\nHost: localhost:80 x\r\n\r\n"))).toBe("400");
    });
  });
}

/** 0: any error; 1 and 200: any success; null: the connection is dropped. */
function answersOf(expected: number | null): string[] {
  if (expected === 0) return ["400", "501", "505"];
  if (expected === 1 || expected === 200) return ["accepted"];
  return [String(expected)];
}
