import { spare } from "../cluster/mod.ts";
import type { Fields } from "../http/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { GrpcStatus, pushbackMs } from "./grpc.ts";
import type { Mesh } from "./mesh.ts";
import { retryAfterMs } from "./retry.ts";

const TOO_MANY_REQUESTS = 429;

/**
 * Spares an endpoint that says when to come back: 429 with Retry-After, or
 * RESOURCE_EXHAUSTED with grpc-retry-pushback-ms (gRFC A6). `fields` are those
 * that bring the status.
 */
export function heed(exchange: MeshExchange, fields: Fields, grpcStatus: number, mesh: Mesh): void {
  const { endpoint, response } = exchange;
  let ms = 0;
  if (grpcStatus === GrpcStatus.ResourceExhausted) ms = pushbackMs(fields);
  else if (response.status === TOO_MANY_REQUESTS) ms = retryAfterMs(response, mesh.clock.now());
  if (ms > 0 && endpoint !== null) spare(endpoint, ms, mesh.deadlines.recent);
}
