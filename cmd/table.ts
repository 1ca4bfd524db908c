/** Columns for people: headings, then a line a row; the last column is not padded. */
export function tableText(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = (headings.length === 0 ? rows : [headings, ...rows]).map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const line of lines)
    for (const [i, cell] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, Bun.stringWidth(cell));
  return lines
    .map((line) =>
      line
        .map((cell, i) => pad(cell, widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - Bun.stringWidth(cell)));
}

/** What came from elsewhere must not move the terminal's cursor; our own colours may stand. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f]|\u001b(?!\[\d*m)/g, " ");
}
