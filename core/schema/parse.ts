import { LineCounter, parseAllDocuments, type YAMLError, type Document as YamlDocument } from "yaml";
import { messageOf } from "../base/mod.ts";
import { foundText, inOrder, nearest, type Path, type Problem, pathText, problemOf } from "../config/mod.ts";
import type { Document } from "./document.ts";
import { findingsOf } from "./issue.ts";
import { groupOf, isKindName, KIND_NAMES, KINDS, type KindName, OWN_GROUPS, PLANNED_KINDS } from "./kinds.ts";
import { DEFAULT_NAMESPACE } from "./metadata.ts";
import { keyPathAt, offsetOf, Places, placeAt, SourceTree, YAML_OPTIONS } from "./source.ts";

/** A file's text with the name that problems call it by. JSON is YAML too. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** What texts hold, and everything that is wrong with them. */
export interface ParsedDocuments {
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
}

/** Reads all documents of all texts and finds all problems at once. Pure. */
export function parseDocuments(texts: readonly SourceText[]): ParsedDocuments {
  const results = texts.map(parseText);
  return {
    documents: results.flatMap(({ documents }) => documents),
    problems: inOrder(results.flatMap(({ problems }) => problems)),
  };
}

/** Reads one text. */
export function parseText({ file, text }: SourceText): ParsedDocuments {
  const lines = new LineCounter();
  const reader = new Reader(file, text, lines);
  try {
    for (const document of parseAllDocuments(text, { ...YAML_OPTIONS, lineCounter: lines }) as YamlDocument[])
      reader.read(document);
  } catch (error) {
    // Nesting deeper than the stack: the parser recurses.
    reader.problems.push(problemOf(file, `Cannot read ${file || "the text"}: ${messageOf(error)}`));
  }
  return { documents: reader.documents, problems: inOrder(reader.problems) };
}

/** A text in which a document has values that no problem shows. */
const HOLDS_SECRETS = /\bkind["']?\s*:\s*["']?(Secret|ConfigMap)\b/;

/** Header of anything Kubernetes-shaped. */
interface Header {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Gathers documents and problems of one text. */
class Reader {
  readonly documents: Document[] = [];
  readonly problems: Problem[] = [];
  readonly #file: string;
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #hasAliases: boolean;
  #tree: { readonly of: YamlDocument; readonly tree: SourceTree } | null = null;

  constructor(file: string, text: string, lines: LineCounter) {
    this.#file = file;
    this.#text = text;
    this.#lines = lines;
    this.#hasAliases = text.includes("*");
  }

  read(yaml: YamlDocument): void {
    for (const error of [...yaml.errors, ...yaml.warnings]) this.#addSyntax(yaml, error);
    // A key given twice leaves a document that can be read: its other problems are told too.
    if (yaml.errors.some(({ code }) => code !== "DUPLICATE_KEY")) return;
    const raw = this.#plain(yaml);
    if (raw === null || raw === undefined || isExtismManifest(raw)) return;
    this.#readValue(yaml, raw, []);
  }

  /** The document as plain JSON data; null where it has no end. */
  #plain(yaml: YamlDocument): unknown {
    try {
      const raw: unknown = yaml.toJS();
      // Only an alias can make a value that holds itself, which could be neither sent nor stored.
      if (this.#hasAliases) JSON.stringify(raw);
      return raw;
    } catch {
      this.#add(yaml, [], "the document cannot be read: its aliases refer to themselves or unfold to too much");
      return null;
    }
  }

  #readValue(yaml: YamlDocument, raw: unknown, at: Path): void {
    const header = this.#header(yaml, raw, at);
    if (header === null) return;
    const { kind, apiVersion } = header;
    if (kind === "List" && apiVersion === "v1") this.#readList(yaml, raw as object, at);
    else if (!isKindName(kind) || isForeign(kind, apiVersion)) this.#addUnknownKind(yaml, header, at);
    else if (KINDS[kind].apiVersions.includes(apiVersion)) this.#readKind(yaml, kind, raw, at);
    else this.#addWrongVersion(yaml, kind, apiVersion, at);
  }

  #addWrongVersion(yaml: YamlDocument, kind: KindName, apiVersion: string, at: Path): void {
    const expected = KINDS[kind].apiVersions.join(" or ");
    const found = foundText(apiVersion);
    const message = `must be ${expected} for ${kind}: current value is ${found}`;
    this.#add(yaml, [...at, "apiVersion"], message, { expected, found });
  }

  #header(yaml: YamlDocument, raw: unknown, at: Path): Header | null {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
      const message = `must be an object with apiVersion and kind: current value is ${foundText(raw)}`;
      this.#add(yaml, at, message, { expected: "an object with apiVersion and kind", found: foundText(raw) });
      return null;
    }
    const { apiVersion, kind } = raw as Record<string, unknown>;
    if (typeof apiVersion === "string" && typeof kind === "string") return { apiVersion, kind };
    const field = typeof kind === "string" ? "apiVersion" : "kind";
    const given = (raw as Record<string, unknown>)[field];
    const state = given === undefined ? "it is missing" : `current value is ${foundText(given)}`;
    this.#add(yaml, [...at, field], `must be text: ${state}`, { expected: "text", found: foundText(given) });
    return null;
  }

  /** `kubectl get -o yaml` wraps what it prints in a List. */
  #readList(yaml: YamlDocument, raw: object, at: Path): void {
    const items: unknown = "items" in raw ? raw.items : [];
    if (!Array.isArray(items)) this.#add(yaml, [...at, "items"], "must be a list");
    else for (const [i, item] of items.entries()) this.#readValue(yaml, item, [...at, "items", i]);
  }

  #readKind(yaml: YamlDocument, kind: KindName, raw: unknown, at: Path): void {
    const { schema, scope } = KINDS[kind];
    const result = schema.safeParse(raw);
    if (!result.success) {
      for (const { offset, message, ...finding } of findingsOf(result.error.issues, raw, yaml, at))
        this.problems.push(problemOf(this.#file, message, { ...finding, ...placeAt(this.#lines, offset) }));
      return;
    }
    const { name, namespace: given } = result.data.metadata;
    if (scope === "Cluster" && given !== undefined)
      this.#add(yaml, [...at, "metadata", "namespace"], `must be left out: a ${kind} is in no namespace`);
    const namespace = scope === "Cluster" ? "" : (given ?? DEFAULT_NAMESPACE);
    const places = new Places(this.#treeOf(yaml), at);
    const locate = (path: Path) => places.of(path);
    // The schema was chosen by the kind, which the compiler cannot follow through a union.
    this.documents.push({ kind, name, namespace, body: result.data, raw, file: this.#file, locate } as Document);
  }

  /** Items of a List share their tree. */
  #treeOf(yaml: YamlDocument): SourceTree {
    if (this.#tree?.of !== yaml) this.#tree = { of: yaml, tree: new SourceTree(this.#text, this.#lines, yaml.range) };
    return this.#tree.tree;
  }

  #addUnknownKind(yaml: YamlDocument, { apiVersion, kind }: Header, at: Path): void {
    const group = groupOf(apiVersion);
    const own = OWN_GROUPS.includes(group);
    const known = own ? KIND_NAMES.filter((name) => groupOf(KINDS[name].apiVersions[0]) === group) : KIND_NAMES;
    const meant = isKindName(kind) ? null : (nearest(kind, known) ?? nearest(kind, KIND_NAMES));
    const hint = meant === null ? `the kinds are ${known.join(", ")}` : `did you mean ${meant}?`;
    const more = { found: foundText(kind), expected: known.join(", ") };
    const path: Path = [...at, "kind"];
    if (own && PLANNED_KINDS.includes(kind)) this.#add(yaml, path, `${kind} is not supported by this version`, more);
    else if (own || meant !== null)
      this.#add(yaml, path, `${foundText(kind)} is not a kind of the mesh; ${hint}`, more);
    else {
      // A manifest may hold what is not ours, a Deployment beside its Service: said, and no reason to refuse the rest.
      const message = `${kind} of ${apiVersion} is not a kind of the mesh and has no effect here`;
      this.#add(yaml, path, message, { ...more, severity: "warning" });
    }
  }

  #addSyntax(yaml: YamlDocument, error: YAMLError): void {
    const place = placeAt(this.#lines, error.pos[0]);
    const last = this.problems.at(-1);
    // The parser repeats itself once for every bracket that is open.
    if (last?.line === place.line && last.column === place.column) return;
    const path = error.code === "DUPLICATE_KEY" ? pathText(keyPathAt(yaml.contents, error.pos[0]) ?? []) : "";
    const said = error.message.replace(/\s+/g, " ");
    // The parser quotes what it met, which may be a part of a key.
    const shown = HOLDS_SECRETS.test(this.#text) ? said.replace(/: .*$/, "") : said;
    const message = path === "" ? `the text is not YAML: ${shown}` : `${path} is given more than once`;
    this.problems.push(problemOf(this.#file, message, { ...place, path }));
  }

  #add(yaml: YamlDocument, path: Path, message: string, more: Partial<Problem> = {}): void {
    const where = pathText(path);
    const place = placeAt(this.#lines, offsetOf(yaml, path));
    const sentence = where === "" ? message : `${where} ${message}`;
    this.problems.push(problemOf(this.#file, sentence, { ...place, path: where, ...more }));
  }
}

/** A kind of somebody else that is called like one of ours: an Istio Gateway, a Knative Service. */
function isForeign(kind: KindName, apiVersion: string): boolean {
  const group = groupOf(apiVersion);
  if (group === "" || OWN_GROUPS.includes(group)) return false;
  const groups = [...OWN_GROUPS, ...KINDS[kind].apiVersions.map(groupOf)];
  return !groups.includes(group) && nearest(group, groups) === null;
}

/** A Plugin may name one that lies beside it: no document of ours, and no mistake. */
function isExtismManifest(raw: unknown): boolean {
  return typeof raw === "object" && raw !== null && "wasm" in raw && !("apiVersion" in raw) && !("kind" in raw);
}
