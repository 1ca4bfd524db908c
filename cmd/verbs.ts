import type { AnyVerb, Group } from "./verb.ts";

/** A verb in the list: its file is loaded only when it is called, so that a proxy loads only its own. */
export interface VerbEntry {
  readonly chapter: string;
  readonly about: string;
  load(): Promise<{ readonly verb: AnyVerb | Group }>;
}

const RUN = "run";
const CONFIGURE = "configure";
const MORE = "more";

/** In the order in which help shows them. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  "sample-app": {
    chapter: RUN,
    about: "run a small HTTP service to try a mesh with",
    load: () => import("./sample-app.ts"),
  },
  validate: {
    chapter: CONFIGURE,
    about: "find everything that is wrong in manifests, offline",
    load: () => import("./validate.ts"),
  },
  version: { chapter: MORE, about: "print the version", load: () => import("./version.ts") },
};
