// Draws docs/pictures/protocol.svg from the protocol itself: every claim and every event is tried on every state, and
// what moves an entry is an arrow. A transition that has no place in the drawing, or a place that no transition fills,
// is an error, so that the picture cannot say what the code does not do.
import { writeFileSync } from 'node:fs'
import { apply, begin, claim, enqueue, isClaimable, ProtocolViolation } from '../dist/protocol/index.js'

const [file = 'docs/pictures/protocol.svg'] = process.argv.slice(2)

const NOW = 1_000_000
const terms = { owner: 'worker', leaseMs: 10_000, timeoutMs: 5_000 }
const reason = { code: 'any', message: 'any' }
const ended = (outcome, maxAttempts = 10) => ({
  type: 'attempt_ended',
  outcome,
  callOver: true,
  retryInMs: 1_000,
  maxAttempts,
})

/** Every event, under the words that the picture uses. */
const EVENTS = [
  ['executed', ended({ kind: 'executed', receipt: null, externalId: null })],
  ['rejected', ended({ kind: 'rejected', reason, settlesDoubt: true })],
  ['not executed', ended({ kind: 'not_executed', reason, retryAfterMs: null })],
  ['not executed, no tries left', ended({ kind: 'not_executed', reason, retryAfterMs: null }, 1)],
  ['unknown', ended({ kind: 'unknown', reason, keySpent: false })],
  [
    'key still safe, or surely absent',
    { type: 'attempt_started', proof: 'absence', leaseMs: 10_000, timeoutMs: 5_000 },
  ],
  ['found', { type: 'found', receipt: null, externalId: null }],
  ['surely absent, held back', { type: 'found_absent', dueInMs: 1_000 }],
  ['found refused', { type: 'found_rejected', reason }],
  ['wait', { type: 'postponed', dueInMs: 1_000, findFailed: null }],
  ['nobody can tell', { type: 'parked', reason, knownAbsent: false }],
]

const intent = {
  id: '00000000-0000-8000-8000-000000000000',
  namespace: 'n',
  effect: 'e',
  key: 'k',
  generation: 1,
  reference: 'r',
  input: null,
  fingerprint: 'f',
  serializeKey: null,
  group: null,
  hasSettledHandler: false,
}

function transitions() {
  const pending = enqueue(intent, NOW, NOW)
  const executing = begin(intent, terms, NOW)
  const doubt = apply(executing, EVENTS.find(([name]) => name === 'unknown')[1], NOW)
  const held = claim(doubt, terms, NOW + 60_000)
  const edges = new Map([
    ['start>pending', new Set(['enqueue'])],
    ['start>executing', new Set(['perform'])],
  ])
  const add = (from, to, label) => {
    const name = `${from}>${to}`
    edges.set(name, (edges.get(name) ?? new Set()).add(label))
  }
  for (const [entry, label] of [
    [pending, 'claim'],
    [executing, 'lease over'],
  ]) {
    const atMs = NOW + 60_000
    if (isClaimable(entry, atMs)) add(entry.state, claim(entry, terms, atMs).state, label)
  }
  for (const entry of [pending, executing, held]) {
    for (const [label, event] of EVENTS) {
      try {
        add(entry.state, apply(entry, event, NOW + 60_000).state, label)
      } catch (error) {
        if (!(error instanceof ProtocolViolation)) throw error
      }
    }
  }
  return edges
}

const BOX = { width: 140, height: 46 }
const STATES = {
  pending: { x: 130, y: 110, tone: 'moving', text: 'pending', note: 'known not executed' },
  executing: { x: 400, y: 110, tone: 'moving', text: 'executing', note: 'a call may be under way' },
  in_doubt: { x: 400, y: 310, tone: 'doubt', text: 'in doubt', note: 'it may have happened' },
  succeeded: { x: 720, y: 110, tone: 'good', text: 'succeeded', note: 'with its receipt' },
  failed: { x: 720, y: 210, tone: 'rest', text: 'failed', note: 'did not happen' },
  parked: { x: 720, y: 310, tone: 'doubt', text: 'parked', note: 'a person or an audit' },
}

/** Where each arrow runs, and where its words stand. */
const PATHS = {
  'start>pending': { d: 'M130 30 L130 84', at: [138, 56], anchor: 'start' },
  'start>executing': { d: 'M400 30 L400 84', at: [408, 56], anchor: 'start' },
  'pending>executing': { d: 'M200 102 L327 102', at: [264, 94] },
  'executing>pending': { d: 'M330 122 L203 122', at: [264, 139] },
  'executing>succeeded': { d: 'M470 104 L647 104', at: [560, 96] },
  'executing>failed': { d: 'M470 120 C550 134 600 160 648 198', at: [500, 152], anchor: 'start' },
  'executing>in_doubt': { d: 'M384 133 L384 284', at: [376, 214], anchor: 'end' },
  'in_doubt>pending': { d: 'M330 306 C220 290 140 230 132 136', at: [24, 240], anchor: 'start' },
  'in_doubt>executing': { d: 'M416 287 L416 136', at: [424, 196], anchor: 'start' },
  'in_doubt>succeeded': { d: 'M470 296 C600 286 614 160 650 130', at: [560, 240], anchor: 'end' },
  'in_doubt>failed': { d: 'M470 306 C570 300 610 250 648 224', at: [612, 272], anchor: 'start' },
  'in_doubt>parked': { d: 'M470 318 L647 318', at: [560, 336] },
  'in_doubt>in_doubt': { d: 'M372 333 C352 376 448 376 430 336', at: [401, 384] },
  'executing>parked': { d: 'M330 126 C150 190 150 420 400 420 C620 420 700 400 718 336', at: [440, 438] },
}

function draw(edges) {
  for (const name of edges.keys())
    if (PATHS[name] === undefined) throw new Error(`The picture has no place for ${name}.`)
  for (const name of Object.keys(PATHS))
    if (!edges.has(name)) throw new Error(`No transition fills the place of ${name}.`)
  const arrows = [...edges].map(([name, labels]) => arrow(PATHS[name], [...labels]))
  const boxes = Object.values(STATES).map(box)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 460" role="img" aria-label="${describe(edges)}" font-family="system-ui, sans-serif">
<style>
  .words { font-size: 12.5px; fill: #374151 } .name { font-size: 14px; font-weight: 600 } .note { font-size: 10.5px }
  .moving { fill: #e8eef9; stroke: #3b5ba9 } .good { fill: #e2f4ea; stroke: #12734a }
  .rest { fill: #eceef1; stroke: #5b6472 } .doubt { fill: #fbe7b8; stroke: #8a5a00 } .ink { fill: #1b1f27 }
  .line { fill: none; stroke: #5b6472; stroke-width: 1.5 } .tip { fill: #5b6472 }
</style>
<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>
<rect width="860" height="460" rx="12" fill="#ffffff"/>
${[...arrows, ...boxes].join('\n')}
</svg>
`
}

function arrow({ d, at: [x, y], anchor = 'middle' }, labels) {
  const lines = labels.map((label, i) => `<tspan x="${x}" dy="${i === 0 ? 0 : 14}">${label}</tspan>`)
  return `<path class="line" d="${d}" marker-end="url(#tip)"/><text class="words" x="${x}" y="${y}" text-anchor="${anchor}">${lines.join('')}</text>`
}

function box({ x, y, tone, text, note }) {
  const { width, height } = BOX
  return `<rect class="${tone}" x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="9" stroke-width="1.5"/><text class="name ink" x="${x}" y="${y - 2}" text-anchor="middle">${text}</text><text class="note ink" x="${x}" y="${y + 13}" text-anchor="middle">${note}</text>`
}

function describe(edges) {
  return [...edges]
    .map(([name, labels]) => `${name.replace('>', ' to ').replaceAll('_', ' ')}: ${[...labels].join(', ')}`)
    .join('. ')
}

writeFileSync(file, draw(transitions()))
console.log(`${file} drawn`)
