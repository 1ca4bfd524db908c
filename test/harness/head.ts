import { latin1 } from "../../core/base/mod.ts";
import { fieldNamed, METHOD_NAMES, type Method, RequestHead, ResponseHead } from "../../core/http/mod.ts";

/** What a test says of a request; the rest has defaults. */
export interface RequestText {
  readonly method?: string;
  /** Path with query. Default: "/". */
  readonly target?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** A parsed head without the parser, for rooms that only read heads. It does not start at offset 0. */
export function requestHead({ method = "GET", target = "/", headers = [] }: RequestText): RequestHead {
  const head = new RequestHead();
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  head.methodStart = 7;
  head.methodEnd = 7 + method.length;
  head.method = Math.max(0, METHOD_NAMES.indexOf(method as "GET")) as Method;
  head.pathStart = head.methodEnd + 1;
  head.pathEnd = head.queryStart = head.queryEnd = head.pathStart + path.length;
  head.hasQuery = question >= 0;
  if (head.hasQuery) {
    head.queryStart = head.pathEnd + 1;
    head.queryEnd = head.pathStart + target.length;
  }
  fill(head, `garbage${method} ${target} HTTP/1.1\r\n`, headers);
  return head;
}

/** A response head of these fields. */
export function responseHead(headers: readonly (readonly [name: string, value: string])[]): ResponseHead {
  const head = new ResponseHead();
  head.status = 200;
  fill(head, "HTTP/1.1 200 OK\r\n", headers);
  return head;
}

function fill(head: RequestHead | ResponseHead, start: string, headers: RequestText["headers"] & object): void {
  let text = start;
  for (const [name, value] of headers) {
    const at = text.length;
    head.ids[head.count] = fieldNamed(name);
    head.spans.set([at, at + name.length, at + name.length + 2, at + name.length + 2 + value.length], head.count * 4);
    head.count++;
    text += `${name}: ${value}\r\n`;
  }
  head.bytes = latin1(`${text}\r\n`);
}
