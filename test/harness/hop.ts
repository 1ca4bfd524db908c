import type { Client } from "./client.ts";
import { eventually } from "./eventually.ts";

/** A line of the access log. */
export type LogLine = Readonly<Record<string, string | number | null>>;

/** A proxy in front of one service, and what it says about the requests it met. */
export interface Hop {
  /** Port of its listener for `web`. */
  readonly port: number;
  /** Lines of the access log about a client's connection, once there are so many. */
  lines(client: Client, count: number): Promise<readonly LogLine[]>;
  /** The first line about a client's connection. */
  line(client: Client): Promise<LogLine>;
  /** Sum of a counter's series with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Reads the lines about a client out of an access log file: a client is told apart by its own address. */
export function logReader(file: string): Pick<Hop, "line" | "lines"> {
  const lines = (client: Client, count: number): Promise<readonly LogLine[]> =>
    eventually(async () => {
      const found = linesAbout(await Bun.file(file).text(), client);
      if (found.length < count) throw new Error(`Cannot find ${count} lines in the access log: it has ${found.length}`);
      return found;
    });
  return { lines, line: async (client) => (await lines(client, 1))[0]! };
}

function linesAbout(text: string, client: Client): LogLine[] {
  const about = `127.0.0.1:${client.port}`;
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line["downstream_remote_address"] === about);
}

/** Service `web` with one endpoint, perhaps with a word about what it speaks. */
export function webYaml(port: number, appProtocol = "http"): string {
  return `apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80, appProtocol: ${appProtocol}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: ${port}}]
`;
}
