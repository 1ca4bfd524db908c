-- A connection for each request.
wrk.path = "/api/items"
wrk.headers["Host"] = "web"
wrk.headers["Connection"] = "close"

dofile(os.getenv("BENCH_DONE"))
