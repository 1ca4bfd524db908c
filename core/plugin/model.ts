/** A WASM policy with its config, as it travels to proxies. */
export interface PluginModel {
  /** `<namespace>/<name>` */
  readonly id: string;
  /** SHA-256 of the module, hex: the name under which the bytes are fetched and cached. */
  readonly sha256: string;
  /** Handed to the plugin as Extism config: every value a string (objects are JSON). */
  readonly config: Readonly<Record<string, string>>;
  /** Clusters the plugin may route to, beside the backends of the rule: name as written → cluster name. */
  readonly destinations: Readonly<Record<string, string>>;
  /** What a fault means for the request: `closed` refuses it, `open` lets it pass. */
  readonly failureMode: "closed" | "open";
  /** Runs before others with a higher number. */
  readonly order: number;
  readonly limits: PluginLimits;
}

export interface PluginLimits {
  /** Fuel units for one call (WASM.md: cap 16 per basic charge). */
  readonly fuel: number;
  /** 64 KiB pages of linear memory. */
  readonly memoryPages: number;
}

export const DEFAULT_PLUGIN_LIMITS: PluginLimits = { fuel: 2_000_000, memoryPages: 256 };
