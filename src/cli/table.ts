/** Rows for people, in columns that are as wide as what stands in them. */
export function tableOf(rows: readonly (readonly string[])[]): string {
  const printed = rows.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of printed) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const lineOf = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return printed.map((row) => `${lineOf(row).trimEnd()}\n`).join('')
}

/** A time as people read it, in UTC to the second; `none` where there is none. */
export function timeOf(ms: number | null, none: string): string {
  return ms === null ? none : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** A key or a service's words may hold anything: a control character would speak to the terminal, not to its reader. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
