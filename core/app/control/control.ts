import { readdir } from "node:fs/promises";
import type { AdminSources } from "../../admin/mod.ts";
import { MeshError, messageOf } from "../../base/mod.ts";
import type { Address } from "../../config/mod.ts";
import { type Control, type ControlOptions, startControl } from "../../control/mod.ts";
import { type OpenDoors, openDoors } from "../doors.ts";
import type { Door } from "../proxy.ts";
import { ControlMetrics } from "./metrics.ts";

export interface ControlPlaneOptions extends Omit<ControlOptions, "observer"> {
  /** Side doors: null leaves one shut. */
  readonly doors: { readonly admin: Door | null; readonly health: Door | null; readonly metrics: Door | null };
}

/** A control plane with its side doors, serving. */
export interface ControlPlane {
  readonly api: Address;
  readonly stream: Address;
  readonly doors: OpenDoors["addresses"];
  readonly trustDomain: string;
  readonly revision: string;
  readonly adminTokenFile: string;
  /** Somebody asked for the end by the admin door. */
  onDrainAsked: (() => void) | null;
  close(): Promise<void>;
}

/** The directory of manifests cannot be read at all. */
export class ConfigUnreadable extends MeshError {
  override readonly name = "ConfigUnreadable";
  readonly code = "MESH_CONFIG_UNREADABLE";
  readonly source = "mesh";
}

/**
 * Starts a control plane and then the side doors that tell of it.
 *
 * @throws {ConfigUnreadable | DoorUnavailable} and what `startControl` throws.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  if (options.config !== null) await requireReadable(options.config);
  const metrics = new ControlMetrics();
  const control = await startControl({ ...options, observer: metrics.observer });
  metrics.watch(control.counts, () => control.revision);
  const plane = new RunningControl(control);
  try {
    plane.doors = await plane.open(options, metrics);
    return plane;
  } catch (error) {
    await control.close();
    throw error;
  }
}

/** A wrong path is a slip at the shell; what is wrong inside the directory is told by status. */
async function requireReadable(directory: string): Promise<void> {
  try {
    await readdir(directory);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such directory",
      ENOTDIR: "it is not a directory",
      EACCES: "permission denied",
    };
    const reason = reasons[code] ?? messageOf(cause);
    throw new ConfigUnreadable(`Cannot read the configuration in "${directory}": ${reason}`, { cause });
  }
}

class RunningControl implements ControlPlane {
  onDrainAsked: (() => void) | null = null;
  doors: ControlPlane["doors"] = { admin: null, health: null, metrics: null };
  readonly #control: Control;
  #opened: OpenDoors | null = null;
  #isClosing = false;

  constructor(control: Control) {
    this.#control = control;
  }

  get api(): Address {
    return this.#control.addresses.api;
  }
  get stream(): Address {
    return this.#control.addresses.stream;
  }
  get trustDomain(): string {
    return this.#control.trustDomain;
  }
  get revision(): string {
    return this.#control.revision;
  }
  get adminTokenFile(): string {
    return this.#control.adminTokenFile;
  }

  async open({ doors, log }: ControlPlaneOptions, metrics: ControlMetrics): Promise<ControlPlane["doors"]> {
    this.#opened = await openDoors(doors, this.#sources(log, metrics), log);
    return this.#opened.addresses;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#control.close();
    await this.#opened?.close();
  }

  #sources(log: ControlPlaneOptions["log"], metrics: ControlMetrics): AdminSources {
    const control = this.#control;
    return {
      config: () => ({ revision: control.revision, trustDomain: control.trustDomain, counts: control.counts }),
      clusters: () => [],
      certificates: () => [],
      notReady: () => (control.ready ? [] : ["the control plane is stopping"]),
      isDraining: () => this.#isClosing,
      drain: () => this.onDrainAsked?.(),
      metrics: () => metrics.text(),
      log,
    };
  }
}
