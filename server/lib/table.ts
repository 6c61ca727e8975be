/** Text in columns, for people. */

/**
 * Cells in columns as wide as they need to be, a line for each row. Characters that would do
 * something to a terminal are shown as what they are: somebody else may have chosen them.
 */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map(row => row.map(printable))
  const count = Math.max(0, ...cells.map(row => row.length))
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...cells.map(row => row[column]?.length ?? 0)),
  )
  return cells
    .map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}

const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
