/** What a run of tests said: how many passed, and the names of the others. */
export interface Results {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export const NO_RESULTS: Results = { passed: 0, failed: [], skipped: [] };

export function sum(a: Results, b: Results): Results {
  return {
    passed: a.passed + b.passed,
    failed: [...a.failed, ...b.failed],
    skipped: [...a.skipped, ...b.skipped],
  };
}

const CASE = /<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** Reads the JUnit file that `bun test` writes. A text without cases has no results. */
export function parseResults(xml: string): Results {
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const [, attributes, inside = ""] of xml.matchAll(CASE)) {
    if (inside.includes("<skipped")) skipped.push(nameOf(attributes!));
    else if (/<(failure|error)\b/.test(inside)) failed.push(nameOf(attributes!));
    else passed++;
  }
  return { passed, failed, skipped };
}

function nameOf(attributes: string): string {
  return `${attribute(attributes, "file")}: ${attribute(attributes, "name")}`;
}

function attribute(attributes: string, name: string): string {
  return plain(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
}

function plain(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole);
}
