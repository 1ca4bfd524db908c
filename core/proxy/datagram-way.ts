import { latin1 } from "../base/mod.ts";
import type { DatagramWay } from "./datagrams.ts";

/** Datagrams to a port of a Service; 0 is its first one for them. */
export function serviceDatagrams(host: string, port: number): DatagramWay {
  const name = latin1(host);
  return {
    direction: "outbound",
    rules(mesh) {
      const service = mesh.snapshot.lookupHost(name, 0, name.length);
      if (service === null) {
        // Whoever sent it sends it again; by then it is known.
        if (!mesh.isKnownAbsent(host)) mesh.ask(host).catch(() => {});
        return "no such service";
      }
      mesh.used.add(service.name);
      return service.datagramPort(port)?.connections ?? "no such port";
    },
  };
}

/** Datagrams to a port of a gateway: nothing tells its listeners apart, so the first has them all. */
export function gatewayDatagrams(gateway: string, port: number): DatagramWay {
  return {
    direction: "gateway",
    rules: ({ snapshot }) =>
      snapshot.gatewayNamed(gateway)?.datagramPort(port)?.listeners[0]?.connections ?? "no such port",
  };
}
