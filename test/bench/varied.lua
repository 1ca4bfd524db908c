-- No two requests alike: path, query and traceparent are new each time, the cookie is one of 64.
local cookies = {}
for i = 0, 63 do
  cookies[i] = string.format("%016x", i * 2654435761)
end
local n = 0
local head = "GET /api/items/%d?page=%d&q=%x HTTP/1.1\r\nHost: web\r\nUser-Agent: bench\r\nAccept: */*\r\nCookie: session=%s\r\ntraceparent: 00-%08x%08x%08x%08x-%08x%08x-01\r\n\r\n"

init = function(args)
  math.randomseed(os.time())
end

request = function()
  local r = math.random
  n = n + 1
  return string.format(head, n, n % 97, r(0, 0x7fffffff), cookies[n % 64],
    r(0, 0x7fffffff), r(0, 0x7fffffff), n, r(0, 0x7fffffff), r(0, 0x7fffffff), n)
end

dofile(os.getenv("BENCH_DONE"))
