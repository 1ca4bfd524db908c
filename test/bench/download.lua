-- Large responses: BENCH_PATH says which.
wrk.path = os.getenv("BENCH_PATH") or "/api/large"
wrk.headers["Host"] = "web"

dofile(os.getenv("BENCH_DONE"))
