import { expect, test } from "bun:test";
import { CONTINUE, VerdictKind } from "../verdict.ts";
import { AnswerReader, parseAnswer } from "./answer.ts";

test("continue without changes is always the same verdict", () => {
  expect(read(new AnswerReader(), '{"action":"continue"}')).toBe(CONTINUE);
});

test("the same answer is the same verdict, among a few that alternate", () => {
  const reader = new AnswerReader();
  const answers = ["a", "b", "c"].map((name) => `{"action":"continue","setHeaders":{"x-consumer":"${name}"}}`);
  const first = answers.map((answer) => read(reader, answer));

  expect(answers.map((answer) => read(reader, answer))).toEqual(first);
  for (const [i, answer] of answers.entries()) expect(read(reader, answer)).toBe(first[i]!);
});

test("a response has its status, body and headers, and what follows from them", () => {
  const verdict = parseAnswer(
    '{"action":"respond","status":429,"body":"slow é","retryAfterMs":1200,"headers":{"X-A":"1"}}',
  );

  expect(verdict.kind).toBe(VerdictKind.Respond);
  expect(verdict.status).toBe(429);
  expect(verdict.body.toString()).toBe("slow é");
  expect(verdict.headers.lines.toString()).toBe(
    "retry-after: 2\r\ncontent-type: text/plain; charset=utf-8\r\nx-a: 1\r\n",
  );
});

test("what a policy says about a header counts before what follows", () => {
  const verdict = parseAnswer(
    '{"action":"respond","status":401,"body":"{}","headers":{"content-type":"application/json"}}',
  );

  expect(verdict.headers.lines.toString()).toBe("content-type: application/json\r\n");
});

test("a route has a destination, and may change the request", () => {
  const verdict = parseAnswer('{"action":"route","destination":"v2","setHeaders":{"x-a":"1","x-b":null}}');

  expect(verdict.destination).toBe("v2");
  expect(verdict.changes?.list).toEqual([
    { name: "x-a", value: "1" },
    { name: "x-b", value: null },
  ]);
});

for (const [nonsense, problem] of [
  ["", "it is not JSON"],
  ["continue", "it is not JSON"],
  ["null", "not an object"],
  ["[]", "not an object"],
  ["{}", '"action" is not'],
  ['{"action":"allow"}', '"action" is not'],
  ['{"action":"respond"}', '"status" is not'],
  ['{"action":"respond","status":"200"}', '"status" is not'],
  ['{"action":"respond","status":101}', '"status" is not'],
  ['{"action":"respond","status":600}', '"status" is not'],
  ['{"action":"respond","status":200,"body":7}', '"body" is not text'],
  ['{"action":"respond","status":204,"body":"x"}', "a response 204 has no body"],
  ['{"action":"respond","status":200,"retryAfterMs":-1}', '"retryAfterMs" is not'],
  ['{"action":"respond","status":200,"headers":[]}', '"headers" is not an object'],
  ['{"action":"respond","status":200,"headers":{"x":null}}', "is not text"],
  ['{"action":"respond","status":200,"headers":{"content-length":"3"}}', "is not for policies"],
  ['{"action":"respond","status":200,"headers":{"Transfer_Encoding":"chunked"}}', "is not for policies"],
  ['{"action":"route"}', '"destination" is missing'],
  ['{"action":"route","destination":7}', '"destination" is not text'],
  ['{"action":"continue","setHeaders":{"host":"evil"}}', "is not for policies"],
  ['{"action":"continue","setHeaders":{"x-forwarded-client-cert":"URI=spiffe://evil"}}', "is not for policies"],
  ['{"action":"continue","setHeaders":{"x a":"1"}}', "is not a header name"],
  ['{"action":"continue","setHeaders":{"":"1"}}', "is not a header name"],
  ['{"action":"continue","setHeaders":{":path":"/"}}', "is not a header name"],
  ['{"action":"continue","setHeaders":{"x":"a\\r\\nb: c"}}', "cannot stand in a head"],
  ['{"action":"continue","setHeaders":{"x":"a\\u0000"}}', "cannot stand in a head"],
  ['{"action":"continue","setHeaders":{"x":"\\u20ac"}}', "cannot stand in a head"],
  ['{"action":"continue","setHeaders":{"x":" a"}}', "cannot stand in a head"],
  [`{"action":"continue","setHeaders":{"x":"${"a".repeat(20_000)}"}}`, "more than 16384 bytes"],
  [`{"action":"respond","status":200,"body":"${"a".repeat(70_000)}"}`, "more than 65536 bytes"],
] as const) {
  test(`the answer ${nonsense.slice(0, 70)} is a fault`, () => {
    const verdict = parseAnswer(nonsense);

    expect(verdict.kind).toBe(VerdictKind.Fault);
    expect(verdict.reason).toBe("output");
    expect(verdict.detail).toContain(problem);
  });
}

test("no answer is a fault, and so is an endless one", () => {
  const reader = new AnswerReader();

  expect(read(reader, "").detail).toBe("it said nothing");
  expect(read(reader, `{"action":"continue"${" ".repeat(200_000)}}`).reason).toBe("output");
});

function read(reader: AnswerReader, answer: string) {
  const memory = Buffer.from(`.....${answer}.....`);
  return reader.read(memory, 5, Buffer.byteLength(answer));
}
