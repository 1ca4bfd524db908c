import type { Deadlines } from "../base/mod.ts";
import type { ConnectionFacts, Wire, WireOwner } from "../listener/mod.ts";
import {
  AwaitedAnswer,
  BYTES_PROTOCOL,
  type Connection,
  type ConnectionOptions,
  type Connections,
  type Mesh,
  type Way,
  type Words,
} from "../proxy/mod.ts";
import type { ConnectionRules } from "../route/mod.ts";
import { REACHED } from "../tcp/mod.ts";
import { Greeting } from "./greeting.ts";

export interface TakingsOptions {
  readonly mesh: Mesh;
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  readonly helloTimeoutMs: number;
  readonly flush: () => void;
  readonly bug: (error: unknown) => void;
  /** A connection of bytes is over. */
  readonly forget: (connection: Connection) => void;
}

/** A connection that was accepted. */
export interface Arrived {
  readonly wire: Wire;
  readonly facts: ConnectionFacts;
  readonly way: Way;
  /** For the downstream, where its protocol has any. */
  readonly words: Words;
  /** Serves it as one that carries requests. */
  readonly requests: () => WireOwner;
  /** It is a connection of bytes. */
  readonly add: (connection: Connection) => void;
  /** It was not served: it did not say what it is. */
  readonly refused: (reason: string) => void;
}

/** Finds out what the connections of a worker are, and gives each to what serves its kind. */
export class Takings {
  readonly #options: TakingsOptions;

  constructor(options: TakingsOptions) {
    this.#options = options;
  }

  serve(arrived: Arrived): WireOwner {
    const { mesh } = this.#options;
    const { way, facts, wire, words } = arrived;
    const taking = way.takes?.(facts, mesh) ?? "requests";
    if (taking === "requests") return this.#requests(arrived);
    if (taking.kind === "cluster") return this.#bytes(arrived, { wire, facts, words, cluster: taking.cluster });
    if (taking.kind === "rule") return this.#bytes(arrived, { wire, facts, words: taking.words, rule: taking.rule });
    if (taking.kind === "rules") return this.#byRules(arrived, taking.rules);
    return new AwaitedAnswer(wire, mesh.ask(taking.host), () => this.#answered(arrived));
  }

  /** What discovery does not know is told so in the words of requests. */
  #answered(arrived: Arrived): WireOwner {
    const { mesh } = this.#options;
    const taking = arrived.way.takes?.(arrived.facts, mesh) ?? "requests";
    return taking !== "requests" && taking.kind === "unknown" ? this.#requests(arrived) : this.serve(arrived);
  }

  #requests({ wire, facts, words, requests }: Arrived): WireOwner {
    const first = facts.protocol === BYTES_PROTOCOL ? REACHED : words.connected;
    // It is the first that this socket is given: the kernel takes it.
    if (first !== null) wire.write(first, 0, first.length);
    return requests();
  }

  #byRules(arrived: Arrived, rules: ConnectionRules): WireOwner {
    const { facts, wire, words } = arrived;
    if (!rules.needsServerName || facts.secure || facts.serverName !== "")
      return this.#bytes(arrived, { wire, facts, words, rule: rules.find(facts.serverName) });
    if (words.connected !== null) wire.write(words.connected, 0, words.connected.length);
    const { deadlines, helloTimeoutMs: timeoutMs, flush, bug } = this.#options;
    return new Greeting(wire, {
      ...{ deadlines, timeoutMs, flush, bug },
      welcome: ({ serverName }) => ({
        passedTo: (first) => {
          const named = { ...facts, serverName };
          const owner = this.#bytes(arrived, { wire, facts: named, rule: rules.find(serverName) });
          owner.received(first);
          return owner;
        },
      }),
      refused: arrived.refused,
    });
  }

  #bytes({ add }: Arrived, options: ConnectionOptions): WireOwner {
    const { connections, forget } = this.#options;
    const connection = connections.serve(options, forget);
    add(connection);
    connection.begin();
    return connection.owner;
  }
}
