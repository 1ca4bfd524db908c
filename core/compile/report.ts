import { inOrder, type Path, type Problem, pathText, problemOf, type Severity } from "../config/mod.ts";
import type { Document } from "../schema/mod.ts";

/** Gathers what is wrong across documents; every message begins with the path it is about. */
export class Report {
  readonly #problems: Problem[] = [];

  error(document: Document, path: Path, message: string, more: Partial<Problem> = {}): void {
    this.#add("error", document, path, ` ${message}`, more);
  }

  warn(document: Document, path: Path, message: string, more: Partial<Problem> = {}): void {
    this.#add("warning", document, path, ` ${message}`, more);
  }

  /** Says at a place that something valid is not built yet. */
  refuse(document: Document, path: Path, feature: string): void {
    this.#add("error", document, path, `: ${feature} is not supported by this version`, { found: feature });
  }

  all(): readonly Problem[] {
    return inOrder(this.#problems);
  }

  #add(severity: Severity, document: Document, path: Path, message: string, more: Partial<Problem>): void {
    const where = pathText(path);
    const { line, column } = document.locate(path);
    this.#problems.push(
      problemOf(document.file, `${where}${message}`, { severity, line, column, path: where, ...more }),
    );
  }
}
