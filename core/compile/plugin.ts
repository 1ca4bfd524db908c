import { compareText, type Path } from "../config/mod.ts";
import { DEFAULT_PLUGIN_LIMITS, type PluginModel } from "../plugin/mod.ts";
import { type DocumentOf, documentKey, PLUGIN_PHASES } from "../schema/mod.ts";
import type { Module } from "./model.ts";
import type { Report } from "./report.ts";
import type { CompiledRule } from "./rule.ts";
import { clusterName, type Service } from "./service.ts";
import { Attached, placesOf, serviceTarget, type Targets, targetsOfRule } from "./target.ts";

type PluginDocument = DocumentOf<"Plugin">;

/** A plugin with its place among others; the model is null while its module is not there. */
export interface CompiledPlugin {
  readonly id: string;
  readonly order: number;
  /** Guards what it is attached to, wherever a request for it comes from; false shapes requests as they leave. */
  readonly guards: boolean;
  /** Clusters it may send requests to. */
  readonly destinations: Readonly<Record<string, string>>;
  readonly model: PluginModel | null;
}

/** Which plugins run where. */
export class Attachments {
  readonly #attached = new Attached<CompiledPlugin>();

  add(key: string, plugin: CompiledPlugin): void {
    this.#attached.add(key, plugin);
  }

  /** Guards of a Service. */
  guards(service: Service): readonly CompiledPlugin[] {
    return this.#attached.at([serviceTarget(service)]).filter(({ guards }) => guards);
  }

  /** What runs at a rule of a Service on the calling side; null is the rule a Service has without routes. */
  policies(service: Service, rule: CompiledRule | null): readonly CompiledPlugin[] {
    const ofService = this.#attached.at([serviceTarget(service)]).filter(({ guards }) => !guards);
    return rule === null ? ofService : [...ofService, ...this.ofRule(rule)];
  }

  /** What runs at a rule wherever its route is attached. */
  ofRule(rule: CompiledRule): readonly CompiledPlugin[] {
    return this.#attached.at(targetsOfRule(rule));
  }
}

/** Ids in the order in which they run: by `order`, then by id; each once. */
export function idsInOrder(plugins: Iterable<CompiledPlugin>): readonly string[] {
  const distinct = [...new Set(plugins)];
  return distinct.sort((a, b) => a.order - b.order || compareText(a.id, b.id)).map(({ id }) => id);
}

/** What plugins refer to. */
interface Surroundings extends Targets {
  readonly modules: ReadonlyMap<string, Module>;
}

/** All plugins, and where each is attached. */
export function compilePlugins(documents: readonly PluginDocument[], around: Surroundings, report: Report) {
  const attachments = new Attachments();
  const plugins = documents.map((document) => {
    const plugin = pluginOf(document, around, report);
    for (const { key, service, path } of placesOf(document, document.body.spec.targetRefs, around, report)) {
      if (service !== null) warnOfBytes(document, service, [...path, "name"], report);
      attachments.add(key, plugin);
    }
    return plugin;
  });
  return { plugins, attachments };
}

function pluginOf(document: PluginDocument, around: Surroundings, report: Report): CompiledPlugin {
  const { namespace, name, body } = document;
  const { phase, config, limits, failureMode } = body.spec;
  const id = `${namespace}/${name}`;
  const order = body.spec.order ?? (PLUGIN_PHASES.indexOf(phase) + 1) * 100;
  const destinations = destinationsOf(document, around.services, report);
  const module = around.modules.get(documentKey(document));
  const closed = failureMode === "Closed" || (failureMode === undefined && isAccessPhase(phase));
  const model: PluginModel | null =
    module === undefined
      ? null
      : {
          id,
          sha256: module.sha256,
          config: configText({ ...module.config, ...config }),
          destinations,
          failureMode: closed ? "closed" : "open",
          order,
          limits: {
            fuel: limits.fuel ?? DEFAULT_PLUGIN_LIMITS.fuel,
            memoryPages: limits.memoryPages ?? DEFAULT_PLUGIN_LIMITS.memoryPages,
          },
        };
  return { id, order, guards: phase !== "Routing", destinations, model };
}

/** A policy that says who may pass keeps the door shut when it breaks. */
function isAccessPhase(phase: string): boolean {
  return phase === "Authentication" || phase === "Authorization";
}

/** Extism config is text: what is not goes as JSON. Keys are sorted, so that their order in the file changes no version. */
function configText(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const pairs = Object.entries(config).sort(([a], [b]) => compareText(a, b));
  return Object.fromEntries(
    pairs.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value ?? null)]),
  );
}

function destinationsOf(
  document: PluginDocument,
  services: ReadonlyMap<string, Service>,
  report: Report,
): Readonly<Record<string, string>> {
  const destinations: Record<string, string> = {};
  for (const [i, { name, namespace, port }] of document.body.spec.destinations.entries()) {
    const path = ["spec", "destinations", i];
    const key = `${namespace ?? document.namespace}/${name}`;
    const service = services.get(key);
    const found = port === undefined ? service?.ports[0] : service?.ports.find((own) => own.port === port);
    if ((namespace ?? document.namespace) !== document.namespace)
      report.warn(
        document,
        [...path, "namespace"],
        `must be ${document.namespace}: no ReferenceGrant lets it refer to ${namespace}`,
      );
    else if (service === undefined)
      report.warn(document, [...path, "name"], `must name a Service: there is no Service ${key}`);
    else if (found === undefined)
      report.warn(document, [...path, "port"], `must be a port of Service ${key}: there is no port ${port ?? ""}`);
    else destinations[name] = clusterName(service, found.port);
  }
  return destinations;
}

/** A plugin judges requests: where there are none to be seen, it guards nothing. */
function warnOfBytes(document: PluginDocument, { namespace, name, ports }: Service, path: Path, report: Report): void {
  const tcp = ports.filter(({ protocol }) => protocol === "tcp").map(({ port }) => port);
  if (tcp.length > 0)
    report.warn(
      document,
      path,
      `must be a Service of HTTP ports: the plugin does not run at ${tcp.join(", ")} of ${namespace}/${name}`,
    );
}
