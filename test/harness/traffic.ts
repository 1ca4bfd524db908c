import { type Client, connect, type Request, type Response } from "./client.ts";
import { eventually } from "./eventually.ts";

/** Requests one after another on keep-alive connections, until they are stopped. */
export interface Traffic {
  readonly sent: number;
  /** What was no 200: a status with its reason, or how the connection ended. */
  readonly failures: readonly string[];
  /** Bodies of the answers, counted. */
  readonly answers: ReadonlyMap<string, number>;
  /** Resolves when so many more requests have been answered, whatever they got. */
  more(count: number): Promise<void>;
  /** Ends after the requests under way. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TrafficOptions extends Request {
  /** Connections at the same time. @default 4 */
  readonly lanes?: number;
  /** Told of every answer. */
  readonly seen?: (response: Response) => void;
}

/** Sends requests to a port. A lane whose connection was closed between two answers opens another, as clients do. */
export function startTraffic(port: number, { lanes = 4, seen, ...request }: TrafficOptions = {}): Traffic {
  const state = { sent: 0, failures: [] as string[], answers: new Map<string, number>(), stopped: false };
  const running = Array.from({ length: lanes }, () => lane(port, request, state, seen));
  const stop = async (): Promise<void> => {
    state.stopped = true;
    await Promise.all(running);
  };
  return {
    get sent() {
      return state.sent;
    },
    ...{ failures: state.failures, answers: state.answers },
    async more(count) {
      const until = state.sent + count;
      await eventually(() => state.sent >= until, 20_000);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface State {
  sent: number;
  readonly failures: string[];
  readonly answers: Map<string, number>;
  stopped: boolean;
}

async function lane(port: number, request: Request, state: State, seen?: (response: Response) => void): Promise<void> {
  let client: Client | null = null;
  while (!state.stopped) {
    try {
      client ??= await connect(port);
      const response = await client.request(request);
      seen?.(response);
      count(state, response);
      if (response.get("connection") === "close") client = await closed(client);
    } catch (error) {
      state.failures.push(String(error));
      if (client !== null) client = await closed(client);
    }
    state.sent++;
  }
  await client?.[Symbol.asyncDispose]();
}

function count({ answers, failures }: State, { status, text }: Response): void {
  if (status === 200) answers.set(text, (answers.get(text) ?? 0) + 1);
  else failures.push(`${status} ${text.trim()}`);
}

async function closed(client: Client): Promise<null> {
  await client[Symbol.asyncDispose]();
  return null;
}

/** A request for a service through a forward proxy. */
export function toService(host: string, path = "/", fields: Request["fields"] = []): Request {
  return { target: `http://${host}${path}`, fields: [["Host", host], ...fields] };
}
