import type { AnyVerb, Group } from "./verb.ts";

/** A verb in the list: its file is loaded only when it is called, so that a proxy loads only its own. */
export interface VerbEntry {
  /** Part of the list in which help shows it; empty for what only mesh itself calls. */
  readonly chapter: string;
  readonly about: string;
  load(): Promise<{ readonly verb: AnyVerb | Group }>;
}

const RUN = "run";
const CONFIGURE = "configure";
const LOOK = "look";
const MORE = "more";

/** In the order in which help shows them. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  control: { chapter: RUN, about: "run the control plane", load: () => import("./control.ts") },
  run: { chapter: RUN, about: "run an app in the mesh, with its sidecar", load: () => import("./run.ts") },
  proxy: {
    chapter: RUN,
    about: "run a proxy: beside an app, or at the edge",
    load: () => import("./proxy.ts"),
  },
  "sample-app": {
    chapter: RUN,
    about: "run a small HTTP service to try a mesh with",
    load: () => import("./sample-app.ts"),
  },
  demo: { chapter: RUN, about: "show all of it on this machine", load: () => import("./demo.ts") },
  apply: { chapter: CONFIGURE, about: "send documents to the control plane", load: () => import("./apply.ts") },
  delete: { chapter: CONFIGURE, about: "delete applied documents", load: () => import("./delete.ts") },
  validate: {
    chapter: CONFIGURE,
    about: "find everything that is wrong in manifests, offline",
    load: () => import("./validate.ts"),
  },
  rollout: {
    chapter: CONFIGURE,
    about: "move a route to a new version, step by step",
    load: () => import("./rollout.ts"),
  },
  token: { chapter: CONFIGURE, about: "tokens that let proxies join", load: () => import("./token.ts") },
  "api-token": {
    chapter: CONFIGURE,
    about: "tokens for the control plane's API",
    load: () => import("./api-token.ts"),
  },
  get: { chapter: LOOK, about: "show what runs", load: () => import("./get.ts") },
  status: { chapter: LOOK, about: "show who is connected and runs which revision", load: () => import("./status.ts") },
  compile: {
    chapter: "",
    about: "compile manifests for the proxy that asks",
    load: () => import("./compile.ts"),
  },
  completion: { chapter: MORE, about: "print a completion script for bash", load: () => import("./completion.ts") },
  version: { chapter: MORE, about: "print the version", load: () => import("./version.ts") },
};
