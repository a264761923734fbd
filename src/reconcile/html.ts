import type { AuditRun, AuditTotal, Finding, Money } from '../protocol/index.js'

/** What the page is about. */
export interface PageOf {
  readonly run: AuditRun
  readonly durationMs: number | null
  readonly lateMs: number | null
}

/** What each kind means, for a person who has never seen it. */
const MEANINGS: Readonly<Record<Finding['kind'], string>> = {
  duplicate: 'More than one live operation for one business key.',
  orphan: 'An operation of ours that no entry accounts for.',
  missing: 'Recorded as succeeded, and not at the service.',
  mismatch: 'Recorded and at the service, and the two do not agree.',
}

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --quiet: light-dark(#555, #aaa); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 85rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; } dt { color: var(--quiet); } dd { margin: 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; } tbody th { min-width: 18rem; font-weight: 400; } tbody th b { font-weight: 600; }
tbody tr:hover { background: #8881; } td code { display: inline-block; min-width: 9rem; max-width: 16rem; }
caption { text-align: left; color: var(--quiet); padding-bottom: .5rem; } code { font-size: .875em; overflow-wrap: anywhere; }
.note { border-left: .25rem solid #b00020; padding: .5rem 1rem; }`

/** A report as one self-contained page, in pieces. It has no script and asks nobody for anything. */
export async function* htmlPage(report: PageOf, findings: AsyncIterable<Finding>): AsyncGenerator<string> {
  const { run } = report
  const title = `Audit of ${escaped(run.effect)}`
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${run.note === null ? '' : `<p class="note"><strong>${escaped(run.note.code)}</strong>: ${escaped(run.note.message)}</p>`}
${facts(report)}
<h2 id="totals">Totals</h2>
${totals(run.totals)}
<h2 id="findings">Findings</h2>
<div class="scroll" role="region" aria-labelledby="findings" tabindex="0">
<table>
<caption>Amounts are in the smallest unit of their currency. Live: what stands at the service now.</caption>
<thead><tr>${['Finding', 'Key', 'Operation', 'Kept'].map((name) => `<th scope="col">${name}</th>`).join('')}
<th scope="col" class="number">Live</th><th scope="col" class="number">Recorded</th><th scope="col">Status</th></tr></thead>
<tbody>`
  let count = 0
  for await (const finding of findings) {
    count++
    yield `\n${row(finding)}`
  }
  yield count === 0 ? '\n<tr><td colspan="7">Nothing: journal and service agree.</td></tr>' : ''
  yield '\n</tbody>\n</table>\n</div>\n</main>\n</body>\n</html>\n'
}

function facts({ run, durationMs, lateMs }: PageOf): string {
  const { counts } = run
  const told: [string, string][] = [
    ['State', run.state],
    ['Window', `${time(run.fromMs)} to ${time(run.toMs)}`],
    ['Began', time(run.startedAtMs) + (lateMs === null ? '' : `, ${Math.round(lateMs / 1000)} s after it was due`)],
    ['Took', durationMs === null ? 'is under way' : `${(durationMs / 1000).toFixed(1)} s`],
    ['Cursor of the list', run.cursor ?? 'none'],
    ['Listed', `${counts.listed}, of which ${counts.foreign} are not ours`],
    ['Matched', String(counts.matched)],
    ['Still moving', `${counts.moving}: looked at again in the next audit`],
    ['Given back, and counted on by nobody', String(counts.undone)],
    ['Doubts ended', `${counts.settled} had happened, ${counts.released} had not`],
    ['Audit', run.id],
  ]
  return `<dl>\n${told.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join('\n')}\n</dl>`
}

function totals(of: readonly AuditTotal[]): string {
  if (of.length === 0) return '<p>Nothing was found.</p>'
  const rows = of.map(
    (each) =>
      `<tr><th scope="row"><b>${each.kind}</b></th><td>${each.status}</td><td class="number">${each.count}</td>` +
      `<td class="number">${each.currency === null ? '' : `${each.minorUnits} ${escaped(each.currency)}`}</td></tr>`,
  )
  const head = '<th scope="col">Kind</th><th scope="col">Status</th><th scope="col" class="number">Count</th>'
  return `<div class="scroll" role="region" aria-labelledby="totals" tabindex="0"><table>
<thead><tr>${head}<th scope="col" class="number">Amount</th></tr></thead>
<tbody>\n${rows.join('\n')}\n</tbody></table></div>`
}

function row(finding: Finding): string {
  const { kind, code, message, key, externalId, kept, amount, expected, status, decidedBy, decidedAtMs, note } = finding
  const who =
    decidedBy === null ? '' : `<br>by ${escaped(decidedBy)}${decidedAtMs === null ? '' : `, ${time(decidedAtMs)}`}`
  const why = note === null ? '' : `<br>${escaped(note)}`
  return `<tr><th scope="row"><b><abbr title="${MEANINGS[kind]}">${kind}</abbr></b> <code>${escaped(code)}</code><br>${escaped(message)}</th>
<td><code>${escaped(key ?? '')}</code></td><td><code>${escaped(externalId ?? '')}</code></td>
<td><code>${escaped(kept?.externalId ?? '')}</code></td><td class="number">${money(amount)}</td>
<td class="number">${money(expected)}</td><td>${status}${who}${why}</td></tr>`
}

function money(amount: Money | null): string {
  return amount === null ? '' : `${amount.minorUnits} ${escaped(amount.currency)}`
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
