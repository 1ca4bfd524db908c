import type {
  CorsModel,
  FiltersModel,
  HeaderEditsModel,
  MirrorModel,
  PathChangeModel,
  RedirectModel,
  RewriteModel,
} from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";

/** A filter of an HTTPRoute; those of a GRPCRoute are some of them. */
export type Filter = DocumentOf<"HTTPRoute">["body"]["spec"]["rules"][number]["filters"][number];
type Mirror = NonNullable<Filter["requestMirror"]>;
type PathModifier = NonNullable<NonNullable<Filter["urlRewrite"]>["path"]>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What filters do. `resolve` finds the cluster of a mirror, by its index among the filters. */
export function filtersOf(
  filters: readonly Filter[],
  resolve: (ref: Mirror["backendRef"], index: number) => string | null,
): FiltersModel {
  const model: Writable<FiltersModel> = {};
  const mirrors: MirrorModel[] = [];
  for (const [i, filter] of filters.entries()) {
    if (filter.requestHeaderModifier !== undefined) model.requestHeaders = withoutEmpty(filter.requestHeaderModifier);
    if (filter.responseHeaderModifier !== undefined)
      model.responseHeaders = withoutEmpty(filter.responseHeaderModifier);
    if (filter.requestRedirect !== undefined) model.redirect = redirectOf(filter.requestRedirect);
    if (filter.urlRewrite !== undefined) model.rewrite = rewriteOf(filter.urlRewrite);
    if (filter.cors !== undefined) model.cors = corsOf(filter.cors);
    if (filter.requestMirror !== undefined)
      mirrors.push(mirrorOf(filter.requestMirror, resolve(filter.requestMirror.backendRef, i)));
  }
  return mirrors.length === 0 ? model : { ...model, mirrors };
}

function withoutEmpty(edits: Required<HeaderEditsModel>): HeaderEditsModel {
  return Object.fromEntries(Object.entries(edits).filter(([, list]) => list.length > 0));
}

function redirectOf({
  scheme,
  hostname,
  path,
  port,
  statusCode,
}: NonNullable<Filter["requestRedirect"]>): RedirectModel {
  return {
    ...(scheme === undefined ? {} : { scheme }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(path === undefined ? {} : { path: pathChangeOf(path) }),
    ...(port === undefined ? {} : { port }),
    status: statusCode,
  };
}

function rewriteOf({ hostname, path }: NonNullable<Filter["urlRewrite"]>): RewriteModel {
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(path === undefined ? {} : { path: pathChangeOf(path) }),
  };
}

function pathChangeOf({ type, replaceFullPath, replacePrefixMatch }: PathModifier): PathChangeModel {
  return { type, value: (type === "ReplaceFullPath" ? replaceFullPath : replacePrefixMatch) ?? "" };
}

function corsOf({ maxAge, ...cors }: NonNullable<Filter["cors"]>): CorsModel {
  return { ...cors, maxAgeSeconds: maxAge };
}

function mirrorOf({ backendRef, percent, fraction }: Mirror, cluster: string | null): MirrorModel {
  const share = fraction === undefined ? (percent ?? 100) / 100 : fraction.numerator / fraction.denominator;
  return { cluster, name: backendRef.name, fraction: share };
}
