import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ControlClient } from "../../core/control/client/mod.ts";
import { ownCommand } from "../self.ts";
import { type Child, Children } from "./children.ts";
import { MANIFESTS, SERVICES } from "./manifests.ts";
import { until } from "./traffic.ts";

/** A sample app with its sidecar. */
export interface Instance {
  readonly name: string;
  readonly sidecar: Child;
  readonly appUrl: string;
  readonly accessLog: string;
}

/** Tells what is being done, as it is done. */
export type Say = (line: string) => void;

/** The mesh of the demo: a control plane, and sample services that each have a sidecar. */
export class Stage {
  readonly #folder = mkdtempSync(join(tmpdir(), "mesh-demo-"));
  readonly #children: Children;
  readonly #say: Say;
  #control: Child | null = null;
  #instances: readonly Instance[] = [];

  constructor(say: Say) {
    this.#say = say;
    this.#children = new Children(this.#folder, { MESH_DATA: join(this.#folder, "data") });
  }

  /** Starts everything; resolves when all of it serves. */
  async start(): Promise<void> {
    for (const [path, text] of Object.entries({ "config/mesh.yaml": SERVICES, ...MANIFESTS }))
      await this.#write(path, text);
    this.#control = await this.#startControl();
    this.#instances = await Promise.all([
      this.#startInstance("shop", "shop", "v1", ["--listen", "127.0.0.1:0=web"]),
      this.#startInstance("web-v1", "web-v1-a", "v1", OF_WEB),
      this.#startInstance("web-v1", "web-v1-b", "v1", OF_WEB),
      this.#startInstance("web-v2", "web-v2", "v2", OF_WEB),
    ]);
    await this.#settle();
  }

  /** The address on which the sidecar of shop takes requests for web. */
  get webUrl(): string {
    const listeners = this.instance("shop").sidecar.ready["listeners"] as readonly { name: string; address: string }[];
    return `http://${listeners.find(({ name }) => name.startsWith("web"))!.address}`;
  }

  get api(): string {
    return `http://${this.#control?.ready["api"]}`;
  }

  get data(): string {
    return join(this.#folder, "data");
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  instance(name: string): Instance {
    return this.#instances.find((each) => each.name === name)!;
  }

  /** Runs a verb as a user would, shown as it is typed. */
  async mesh(...args: readonly string[]): Promise<string> {
    this.#say(`$ mesh ${args.join(" ")}`);
    return await this.#children.run([...args, "--control", this.api]);
  }

  /** Lines of an access log so far. */
  logOf(name: string): readonly Readonly<Record<string, unknown>>[] {
    const lines = readFileSync(this.instance(name).accessLog, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Ends every process and forgets every file. */
  async end(): Promise<void> {
    await this.#children.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Waits until every sidecar has been told of every instance: who serves says so at once, news travel after. */
  async #settle(): Promise<void> {
    const token = readFileSync(join(this.data, "admin.token"), "utf8").trim();
    const client = new ControlClient({ url: this.api, token });
    const isSettled = async (): Promise<boolean> => {
      const web = (await client.services()).find(({ name }) => name === "default/web");
      // An instance is known before it may be called: until then its weight is 0.
      const callable = web?.ports.flatMap(({ endpoints }) => endpoints.filter(({ weight }) => weight > 0)) ?? [];
      if (callable.length < INSTANCES_OF_WEB) return false;
      const { control, proxies } = await client.status();
      return proxies.length === this.#instances.length && (await client.revision(control.revision)).done;
    };
    if (!(await until(isSettled, SETTLE_MS)))
      throw new Error("Cannot go on: the sidecars were not all told of each other");
  }

  async #startControl(): Promise<Child> {
    const control = await this.#children.start("the control plane", [
      ...["control", "--config", "config", "--api", "127.0.0.1:0", "--stream", "127.0.0.1:0"],
      ...["--admin", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--health", "127.0.0.1:0"],
    ]);
    this.#say(`control plane serves, API http://${control.ready["api"]}, proxies ${control.ready["stream"]}`);
    return control;
  }

  async #startInstance(workload: string, name: string, version: string, more: readonly string[]): Promise<Instance> {
    const token = await this.#children.run(["token", "create", "--name", workload, "--control", this.api]);
    const port = freePort();
    const accessLog = join(this.#folder, `${name}.log`);
    const app = [...ownCommand(), "sample-app", "--port", String(port), "--name", name, "--version", version];
    const sidecar = await this.#children.start(
      `the sidecar of ${name}`,
      [
        ...["run", "--name", workload, "--version", version, "--port", String(port), ...more],
        ...["--control", String(this.#control!.ready["stream"]), "--data", join(this.#folder, name)],
        ...["--inbound", "127.0.0.1:0", "--outbound", "127.0.0.1:0", "--access-log", accessLog, "--concurrency", "1"],
        ...["--admin", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--health", "127.0.0.1:0"],
      ],
      { command: app, environment: { MESH_JOIN_TOKEN: token } },
    );
    this.#say(`${name} ${version} serves behind its sidecar, as ${sidecar.ready["identity"]}`);
    return { name, sidecar, appUrl: `http://127.0.0.1:${port}`, accessLog };
  }

  async #write(path: string, text: string): Promise<void> {
    const file = join(this.#folder, path);
    mkdirSync(dirname(file), { recursive: true });
    await Bun.write(file, text);
  }
}

const INSTANCES_OF_WEB = 3;
const SETTLE_MS = 20_000;

/** What makes an instance one of the Service web. */
const OF_WEB = ["--label", "app=web"];

/** A port that nobody listens on now. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
