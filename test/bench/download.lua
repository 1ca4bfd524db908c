-- Responses of 1 MB, see soak.ts.
wrk.path = "/api/large"
wrk.headers["Host"] = "web"

dofile(os.getenv("BENCH_DONE"))
