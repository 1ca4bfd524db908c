import { expect, test } from "bun:test";
import { Outcome } from "../cluster/mod.ts";
import { outcomeFor } from "./grpc.ts";

test("an endpoint is to blame for what says that it cannot, or that it broke, and not for what a caller did wrong", () => {
  const outcomes = [-1, 0, 2, 3, 5, 7, 8, 13, 14, 15, 16].map((grpcStatus) => outcomeFor(200, grpcStatus));

  const { Success, ServerError, GatewayError } = Outcome;
  expect(outcomes).toEqual([
    ...[Success, Success, ServerError, Success, Success, Success, Success],
    ...[ServerError, GatewayError, ServerError, Success],
  ]);
  expect([outcomeFor(503, -1), outcomeFor(500, -1), outcomeFor(404, -1)]).toEqual([GatewayError, ServerError, Success]);
});
