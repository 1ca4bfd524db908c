import { Answer, Request, number, rate, refuse, setting } from "../../sdk/assembly";

let limit: i64 = 0;
let windowMs: i64 = 0;
let key = "";
let header = "";

export function configure(): i32 {
  limit = number("limit", 0);
  windowMs = number("windowMs", 1000);
  key = setting("key", "source");
  header = key.startsWith("header:") ? key.substring(7).toLowerCase() : "";
  if (limit < 1) return refuse('"limit" is how many requests pass in a window');
  if (windowMs < 1) return refuse('"windowMs" is a time in milliseconds');
  if (header == "" && key != "source" && key != "authority" && key != "all")
    return refuse('"key" is "source", "authority", "all" or "header:<name>"');
  return 0;
}

export function on_request(): i32 {
  const left = rate(keyOf(Request.read()), limit, windowMs);
  return left >= 0 ? Answer.pass().send() : tooMany(-left);
}

/** Whose requests are counted together. */
function keyOf(request: Request): string {
  if (header != "") {
    const value = request.header(header);
    return value === null ? "" : "h:" + value;
  }
  if (key == "authority") return request.authority;
  if (key == "all") return "";
  return request.identity != "" ? request.identity : request.address;
}

function tooMany(waitMs: i64): i32 {
  const seconds = ((waitMs + 999) / 1000).toString();
  return Answer.respond(429)
    .header("retry-after", seconds)
    .header("ratelimit-limit", limit.toString())
    .header("ratelimit-remaining", "0")
    .header("ratelimit-reset", seconds)
    .header("content-type", "application/json")
    .body('{"error":"too many requests"}')
    .retryAfterMs(waitMs)
    .send();
}
