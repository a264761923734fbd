// The auditing process: lists once for nothing, then audits, and tells how long each took and how much memory it held.
import { Agent, get } from 'node:http'
import { Counterfoil, defineEffect, type ExternalOperation, type ListWindow } from 'counterfoil'
import { postgresJournal } from 'counterfoil/postgres'
import pg from 'pg'
import { AuditWorld, EFFECT, NAMESPACE } from './audit-world.js'

/** What it reports. */
export interface Audited {
  readonly listingMs: number
  readonly auditMs: number
  readonly peakRssMiB: number
  readonly counts: Readonly<Record<string, number>>
  readonly found: Readonly<Record<string, number>>
  readonly invented: number
}

const plan = JSON.parse(process.argv[2] ?? '{}') as {
  readonly world: ConstructorParameters<typeof AuditWorld>[0]
  readonly postgresUrl: string
  readonly port: number
}
const world = new AuditWorld(plan.world)
const agent = new Agent({ keepAlive: true })

function read(from: number): Promise<{ data: ExternalOperation[]; next: number | null }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: plan.port, path: `/?from=${from}`, agent }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('error', reject)
      response.once('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())))
    }).once('error', reject)
  })
}

async function* list(_window?: ListWindow): AsyncGenerator<ExternalOperation> {
  for (let from: number | null = 0; from !== null; ) {
    const page: { data: ExternalOperation[]; next: number | null } = await read(from)
    yield* page.data
    from = page.next
  }
}

async function bareListing(): Promise<number> {
  const startedMs = performance.now()
  let count = 0
  for await (const _operation of list()) count++
  if (count === 0) throw new Error('The service listed nothing.')
  return performance.now() - startedMs
}

let peakRss = 0
const sampling = setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}, 50)

const listingMs = await bareListing()
const pool = new pg.Pool({ connectionString: plan.postgresUrl, max: 4 })
const charge = defineEffect({
  name: EFFECT,
  key: (order: { readonly id: string; readonly cents: number }) => order.id,
  provider: {
    execute: () => Promise.reject(new Error('Nothing is executed here.')),
    inDoubt: 'park',
    amount: (_receipt: { readonly id: string }, order) => ({ minorUnits: order.cents, currency: 'eur' }),
    list,
  },
})
const counterfoil = new Counterfoil({ journal: postgresJournal(pool), effects: [charge], namespace: NAMESPACE })
const startedMs = performance.now()
const report = await counterfoil.reconcile(charge, {
  from: new Date(world.startsAtMs - 60_000),
  settlesWithin: '1m',
  clockSkew: '1s',
})
const auditMs = performance.now() - startedMs

const found: Record<string, number> = {}
let invented = 0
for await (const finding of report.findings()) {
  found[finding.kind] = (found[finding.kind] ?? 0) + 1
  if (!world.isPlanted(finding.kind, finding.externalId ?? '')) invented++
}
clearInterval(sampling)
const result: Audited = {
  ...{ listingMs, auditMs, peakRssMiB: peakRss / 2 ** 20, found, invented },
  counts: { ...report.counts },
}
process.send?.(result)
await counterfoil.stop()
await pool.end()
agent.destroy()
process.disconnect?.()
