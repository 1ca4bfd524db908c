import { Answer, Request, number, refuse, setting } from "../../sdk/assembly";

let destination = "";
let header = "";
let headerValue = "";
let cookie = "";
let cookieValue = "";
let percentHeader = "";
let percent: i64 = 0;

export function configure(): i32 {
  destination = setting("destination", "");
  header = setting("header", "").toLowerCase();
  headerValue = setting("headerValue", "");
  cookie = setting("cookie", "");
  cookieValue = setting("cookieValue", "");
  percentHeader = setting("percentHeader", "").toLowerCase();
  percent = number("percent", 0);
  if (destination == "") return refuse('"destination" names where the canary is');
  if (percent < 0 || percent > 100) return refuse('"percent" is a whole number from 0 to 100');
  if (percent > 0 && percentHeader == "") return refuse('"percent" needs "percentHeader": whose value is counted');
  if (header == "" && cookie == "" && percent == 0) return refuse('one of "header", "cookie", "percent" is needed');
  return 0;
}

export function on_request(): i32 {
  const request = Request.read();
  const chosen = byHeader(request) || byCookie(request) || byPercent(request);
  return chosen ? Answer.route(destination).send() : Answer.pass().send();
}

function byHeader(request: Request): bool {
  return header != "" && matches(request.header(header), headerValue);
}

function byCookie(request: Request): bool {
  return cookie != "" && matches(request.cookie(cookie), cookieValue);
}

/** The same value of the header is always on the same side. Requests without it stay where they are. */
function byPercent(request: Request): bool {
  if (percent == 0) return false;
  const value = request.header(percentHeader);
  return value !== null && <i64>(hash(value) % 100) < percent;
}

/** No wanted value means any. */
function matches(value: string | null, wanted: string): bool {
  return value !== null && (wanted == "" || value == wanted);
}

/** FNV-1a with a finish that spreads short keys. */
function hash(text: string): u32 {
  let h: u32 = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = (h ^ (<u32>text.charCodeAt(i) & 0xff)) * 0x01000193;
  h ^= h >>> 16;
  h *= 0x85ebca6b;
  return h ^ (h >>> 13);
}
