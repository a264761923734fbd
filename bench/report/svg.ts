import type { Results } from '../results.js'
import type { Row } from '../run.js'
import { titleOf } from './table.js'

const WIDTH = 900
const LEFT = 190
const RIGHT = 70
const LINE = 34
const TOP = 96
const BOTTOM = 84
/** From light to dark as the callers grow: readable in black and white too. */
const SHADES = ['#9ecae1', '#5ba3cf', '#2171b5', '#08306b']

/** Effects a second of every system on one logarithmic line, by callers; the fastest system first. */
export function toSvg(results: Results): string {
  const rows = results.rows.filter(
    ({ gatewayMs }) => gatewayMs === Math.min(...results.rows.map((row) => row.gatewayMs)),
  )
  const callers = [...new Set(rows.map((row) => row.callers))].sort((a, b) => a - b)
  const best = (system: string): number =>
    Math.max(...rows.filter((row) => row.system === system).map((row) => row.effectsPerSecond))
  const systems = [...new Set(rows.map(({ system }) => system))].sort((a, b) => best(b) - best(a))
  const scale = scaleOf(rows)
  const height = TOP + systems.length * LINE + BOTTOM
  const lines = systems.map((system, i) => systemLine({ results, rows, system, callers, scale, y: TOP + i * LINE }))
  const told = systems.map((system) => `${titleOf(results, system)}: ${Math.round(best(system))}`).join('; ')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13">
<title id="title">Effects a second, Counterfoil beside its peers</title>
<desc id="desc">The most effects a second that each system reached. ${escaped(told)}.</desc>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="30" font-size="18" font-weight="600" fill="#1a1a1a">Effects a second, each with one call to a service that answers at once</text>
<text x="16" y="52" fill="#555555">Every commit on disk · ${escaped(machineOf(results))} · logarithmic scale</text>
${gridOf(scale, height)}
${lines.join('\n')}
${legendOf(callers, height)}
</svg>
`
}

interface Scale {
  readonly from: number
  readonly to: number
  readonly x: (value: number) => number
}

function scaleOf(rows: readonly Row[]): Scale {
  const speeds = rows.map((row) => Math.max(1, row.effectsPerSecond))
  const from = 10 ** Math.floor(Math.log10(Math.min(...speeds)))
  const to = Math.max(...speeds) * 1.3
  const part = (value: number): number => Math.log10(Math.max(1, value) / from) / Math.log10(to / from)
  return { from, to, x: (value) => LEFT + part(value) * (WIDTH - LEFT - RIGHT) }
}

function gridOf({ from, to, x }: Scale, height: number): string {
  const marks: string[] = []
  for (let value = from; value <= to; value *= 10) {
    for (const step of [value, value * 3].filter((each) => each <= to)) {
      const at = x(step).toFixed(1)
      marks.push(
        `<line x1="${at}" y1="${TOP - 22}" x2="${at}" y2="${height - BOTTOM + 4}" stroke="#e4e4e4"/>`,
        `<text x="${at}" y="${TOP - 28}" text-anchor="middle" font-size="11" fill="#666666">${step.toLocaleString('en')}</text>`,
      )
    }
  }
  return marks.join('\n')
}

interface Line {
  readonly results: Results
  readonly rows: readonly Row[]
  readonly system: string
  readonly callers: readonly number[]
  readonly scale: Scale
  readonly y: number
}

function systemLine({ results, rows, system, callers, scale, y }: Line): string {
  const own = rows.filter((row) => row.system === system)
  const isOurs = system.startsWith('counterfoil')
  const xs = own.map((row) => scale.x(row.effectsPerSecond))
  const most = Math.max(...own.map((row) => row.effectsPerSecond))
  const dots = own.map((row) => {
    const shade = SHADES[callers.indexOf(row.callers)] ?? '#08306b'
    return `<circle cx="${scale.x(row.effectsPerSecond).toFixed(1)}" cy="${y}" r="6" fill="${shade}"><title>${row.callers} callers: ${Math.round(row.effectsPerSecond)}/s</title></circle>`
  })
  return `<g>${isOurs ? `<rect x="8" y="${y - LINE / 2 + 2}" width="${WIDTH - 16}" height="${LINE - 4}" rx="4" fill="#fff3cd"/>` : ''}
<text x="${LEFT - 14}" y="${y + 4}" text-anchor="end" fill="#1a1a1a"${isOurs ? ' font-weight="600"' : ''}>${escaped(titleOf(results, system))}</text>
<line x1="${Math.min(...xs).toFixed(1)}" y1="${y}" x2="${Math.max(...xs).toFixed(1)}" y2="${y}" stroke="#b5b5b5" stroke-width="2"/>
${dots.join('')}
<text x="${(Math.max(...xs) + 12).toFixed(1)}" y="${y + 4}" fill="#1a1a1a">${Math.round(most).toLocaleString('en')}</text></g>`
}

function legendOf(callers: readonly number[], height: number): string {
  const entries = callers.map(
    (count, i) =>
      `<circle cx="${LEFT + i * 120}" cy="${height - 44}" r="6" fill="${SHADES[i] ?? '#08306b'}"/><text x="${LEFT + 12 + i * 120}" y="${height - 40}" fill="#1a1a1a">${count} ${count === 1 ? 'caller' : 'callers'}</text>`,
  )
  return `${entries.join('\n')}
<text x="16" y="${height - 14}" font-size="12" fill="#555555">The number is the most that was reached. What each of them promises, and what it charges twice, is told beside.</text>`
}

function machineOf({ machine, versions }: Results): string {
  return `PostgreSQL ${versions.postgres ?? ''}, Node ${versions.node ?? ''}, ${machine.cores} cores`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
