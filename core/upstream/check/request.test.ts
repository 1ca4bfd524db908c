import { expect, test } from "bun:test";
import type { HealthCheckModel } from "../../cluster/mod.ts";
import { problemOfHealth, requestOf } from "./request.ts";

const OFTEN = { intervalMs: 1, timeoutMs: 1, healthyAfter: 1, unhealthyAfter: 1 };

test("a check by HTTP asks for the path at the host of the policy, or at the endpoint's own", () => {
  const model: HealthCheckModel = { type: "HTTP", path: "/up?deep=1", ...OFTEN };

  expect(requestOf(model, "10.0.0.1:80").head.toString()).toBe(
    "GET /up?deep=1 HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: mesh-health-check\r\n\r\n",
  );
  expect(requestOf({ ...model, host: "web" }, "10.0.0.1:80").head.toString()).toContain("\r\nHost: web\r\n");
});

test("a check by gRPC is a message that names the service, also a long name", () => {
  const ask = (service: string) => requestOf({ type: "GRPC", service, ...OFTEN }, "a:1");

  expect(ask("").body.toString("hex")).toBe("0000000000");
  expect(ask("a.B").body.toString("hex")).toBe(
    `0000000005 0a03 ${Buffer.from("a.B").toString("hex")}`.replaceAll(" ", ""),
  );
  const long = ask("x".repeat(200)).body;
  expect(long.subarray(0, 8).toString("hex")).toBe("00000000cb0ac801");
  expect(ask("a.B").head.toString()).toContain("\r\nContent-Length: 10\r\n");
});

test("only SERVING is no problem", () => {
  const said = (...message: number[]) => problemOfHealth(Buffer.from([0, 0, 0, 0, message.length, ...message]));

  expect(said(0x08, 1)).toBeNull();
  expect([said(0x08, 2), said(0x08, 3), said(), said(0x08, 9)]).toEqual([
    "it says NOT_SERVING",
    "it says SERVICE_UNKNOWN",
    "it says UNKNOWN",
    "it says 9",
  ]);
  expect(problemOfHealth(Buffer.alloc(0))).toBe("the answer holds no message");
});
