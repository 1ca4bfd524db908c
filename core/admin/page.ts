import { LOG_LEVELS, type LogLevel } from "../base/mod.ts";
import { EXPOSITION_TYPE } from "../telemetry/mod.ts";
import { json, type Pages } from "./door.ts";
import type { AdminSources, CertificateFacts, ClusterFacts } from "./source.ts";

/** For the operator on this machine. */
export function adminPages(sources: AdminSources): Pages {
  return {
    "/config": { GET: async (url) => json(url, await sources.config()) },
    "/clusters": { GET: async (url) => json(url, (await sources.clusters()).map(clusterPage)) },
    "/certs": { GET: (url) => json(url, sources.certificates().map(certificatePage)) },
    "/drain": {
      POST(url) {
        sources.drain();
        return json(url, { draining: true }, 202);
      },
    },
    "/log": {
      GET: (url) => json(url, { level: sources.log.level, levels: LOG_LEVELS }),
      POST: (url) => setLevel(url, sources),
    },
    ...healthPages(sources),
    ...metricsPages(sources),
  };
}

/** For the supervisor: is the process sound, may traffic come. */
export function healthPages(sources: AdminSources): Pages {
  return {
    "/live": { GET: (url) => json(url, { live: true }) },
    "/ready": {
      GET(url) {
        const reasons = sources.isDraining() ? ["draining"] : sources.notReady();
        return reasons.length === 0 ? json(url, { ready: true }) : json(url, { ready: false, reasons }, 503);
      },
    },
  };
}

/** For Prometheus. Those who ask at the same time get the same text: making it costs the thread that serves requests. */
export function metricsPages(sources: AdminSources): Pages {
  let making: Promise<string> | null = null;
  const text = (): Promise<string> => {
    making ??= sources.metrics().finally(() => {
      making = null;
    });
    return making;
  };
  return {
    "/metrics": { GET: async () => new Response(await text(), { headers: { "content-type": EXPOSITION_TYPE } }) },
  };
}

function setLevel(url: URL, { log }: AdminSources): Response {
  const level = url.searchParams.get("level");
  if (!isLevel(level)) return json(url, { error: `no such level: "${level ?? ""}"`, levels: LOG_LEVELS }, 400);
  log.level = level;
  return json(url, { level });
}

function isLevel(text: string | null): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

function clusterPage(cluster: ClusterFacts): unknown {
  const endpoints = cluster.endpoints.map(({ ejection, ...facts }) => ({
    ...facts,
    ejection: ejection && {
      reason: ejection.reason,
      detail: ejection.detail,
      until: timeText(ejection.untilMs),
    },
  }));
  return { ...cluster, endpoints };
}

/** Named one by one: whatever else the object holds, a key for one, stays here. */
function certificatePage(facts: CertificateFacts): unknown {
  return {
    spiffeId: facts.spiffeId,
    notBefore: timeText(facts.notBefore),
    notAfter: timeText(facts.notAfter),
    nextRenewal: facts.nextRenewalAt === null ? null : timeText(facts.nextRenewalAt),
  };
}

function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
