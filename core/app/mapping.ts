/** A range of our address space. */
export interface Mapping {
  readonly address: number;
  readonly length: number;
}

/**
 * The mappings of a file that may be dropped without loss, from the text of
 * /proc/PID/smaps: not writable, and without a private page. A read-only
 * mapping can have private pages (what the loader has relocated, what was
 * sealed after it was written), and dropping those would give back what the
 * file says instead.
 */
export function droppable(smaps: string, file: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let candidate: Mapping | null = null;
  for (const line of smaps.split("\n")) {
    const header = HEADER.exec(line);
    if (header !== null) candidate = isReadOnlyOf(file, header) ? mappingOf(header) : null;
    // Only a mapping that is said to have none; the kernel names it after the size.
    else if (candidate !== null && /^Anonymous:\s+0 kB$/.test(line)) {
      found.push(candidate);
      candidate = null;
    }
  }
  return found;
}

/** `55d0a000-55d0b000 r-xp 00001000 08:01 1234   /usr/bin/mesh` */
const HEADER = /^([0-9a-f]+)-([0-9a-f]+) ([rwxps-]{4}) [0-9a-f]+ \S+ \d+\s+(\S.*)?$/;

function isReadOnlyOf(file: string, [, , , rights = "", path]: RegExpExecArray): boolean {
  return path === file && !rights.includes("w") && rights.endsWith("p");
}

function mappingOf([, start = "", end = ""]: RegExpExecArray): Mapping {
  const address = Number.parseInt(start, 16);
  return { address, length: Number.parseInt(end, 16) - address };
}
