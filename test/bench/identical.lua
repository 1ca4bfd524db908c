-- The same request again and again: flatters whoever caches heads.
request = function()
  return "GET /api/items?page=1 HTTP/1.1\r\nHost: web\r\nUser-Agent: bench\r\nAccept: */*\r\nCookie: session=0000000000000000\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
end

dofile(os.getenv("BENCH_DONE"))
