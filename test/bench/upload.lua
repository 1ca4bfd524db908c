-- Requests of 1 MB.
wrk.method = "POST"
wrk.path = "/api/upload"
wrk.headers["Host"] = "web"
wrk.body = string.rep("x", 1024 * 1024)

dofile(os.getenv("BENCH_DONE"))
