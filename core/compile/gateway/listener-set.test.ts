import { expect, test } from "bun:test";
import { compiled, gatewayOf, listener, route, service, setOf, told } from "../../../test/harness/gateway-manifests.ts";

test("a Gateway takes in the ListenerSets it allows, and says how many", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)], { allowedListeners: "Same" }),
    setOf("mine", [listener("more", "HTTP", 81)]),
    setOf("theirs", [listener("more", "HTTP", 82)], "other"),
    service("web"),
    route("r", { parentRefs: "[{name: mine, kind: ListenerSet}]" }),
    route("s", { parentRefs: "[{name: edge, sectionName: more}]" }),
  );

  expect(gateway("default/edge").ports.map(({ port, listeners }) => [port, listeners[0]?.name])).toEqual([
    [80, "default/edge/http"],
    [81, "default/mine/more"],
  ]);
  expect(status.gateway("edge").attachedListenerSets).toBe(1);
  expect(told(status.set("mine").conditions)).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
  expect(status.set("mine").listeners[0]?.attachedRoutes).toBe(1);
  expect(told(status.set("theirs").conditions)).toEqual(["Accepted False NotAllowed", "Programmed False NotAllowed"]);
  expect(told(status.route("r").parents[0]!.conditions)[0]).toBe("Accepted True Accepted");
  // A Gateway's own listeners only: the set's are for those who name the set.
  expect(told(status.route("s").parents[0]!.conditions)[0]).toBe("Accepted False NoMatchingParent");
});

test("a Gateway that says nothing of ListenerSets takes in none", () => {
  const { status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)]),
    setOf("set", [listener("a", "HTTP", 81)]),
  );

  expect(told(status.set("set").conditions)).toEqual(["Accepted False NotAllowed", "Programmed False NotAllowed"]);
  expect(status.gateway("edge").attachedListenerSets).toBe(0);
});

test("a ListenerSet whose Gateway is not there has no status, and a warning", () => {
  const { output, problems } = compiled(setOf("set", [listener("a", "HTTP", 81)]));

  expect(output.statuses).toEqual([]);
  expect(problems).toMatchObject([
    { severity: "warning", path: "spec.parentRef.name", message: expect.stringContaining("no Gateway default/edge") },
  ]);
});

test("in conflict the Gateway wins over its sets, and the older set over the newer", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80, { hostname: "a.example" })], { allowedListeners: "All" }),
    setOf("all", [listener("a", "HTTP", 80, { hostname: "a.example" })]),
    setOf(
      "newer",
      [listener("b", "HTTP", 80, { hostname: "b.example" }), listener("c", "HTTP", 80)],
      "default",
      "2026-02-01T00:00:00Z",
    ),
    setOf("older", [listener("b", "HTTP", 80, { hostname: "b.example" })], "default", "2026-01-01T00:00:00Z"),
  );

  expect(gateway("default/edge").ports[0]?.listeners.map(({ name }) => name)).toEqual([
    "default/edge/http",
    "default/older/b",
    "default/newer/c",
  ]);
  expect(told(status.gateway("edge").conditions).slice(0, 2)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
  ]);
  expect(status.gateway("edge").attachedListenerSets).toBe(2);
  expect(told(status.set("all").conditions)).toEqual([
    "Accepted False ListenersNotValid",
    "Programmed False ListenersNotValid",
  ]);
  expect(told(status.set("newer").conditions)).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
  expect(told(status.set("newer").listeners[0]!.conditions)).toContain("Conflicted True HostnameConflict");
});
