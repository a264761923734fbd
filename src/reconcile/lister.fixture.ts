// A process that audits a service which lists over HTTP, and dies while it lists.
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect, type Effect } from '../engine/index.js'
import { type PostgresPool, postgresJournal } from '../journal/postgres/index.js'
import type { CancelRequest, ExternalOperation, ListWindow } from '../protocol/index.js'
import type { Charge, Order } from './planted-service.fixture.js'

/** What it is told. */
export interface ListerPlan {
  readonly postgresUrl: string
  readonly schema: string
  readonly namespace: string
  readonly port: number
  readonly fromMs: number
  /** It kills itself when the first pages are staged; or it says when it is about to stage more, and waits to be told to. */
  readonly dies: 'after page 2 was staged' | 'in the middle of staging a page'
}

/** A page as the service gives it. */
export interface ListedPage {
  readonly data: readonly ExternalOperation[]
  readonly next: string | null
}

/** The effect, whose provider lists what the service at `port` has. */
export function chargeListedAt(port: number): Effect<Order, Charge> {
  return defineEffect<Order, Charge>({
    name: 'charge',
    key: (order) => order.id,
    provider: {
      execute: async () => Promise.reject(new Error('Nothing is executed here.')),
      inDoubt: 'park',
      amount: (_receipt: Charge, order: Order) => ({ minorUnits: order.cents, currency: 'eur' }),
      cancel: async (_request: CancelRequest<Charge>) => Promise.reject(new Error('Nothing is undone here.')),
      list: (window: ListWindow) => listed(port, window),
    },
  })
}

async function* listed(port: number, window: ListWindow): AsyncGenerator<ExternalOperation> {
  for (let after: string | null = window.after ?? ''; after !== null; ) {
    const page: ListedPage = await pageAt(port, after)
    yield* page.data
    after = page.next
  }
}

function pageAt(port: number, after: string): Promise<ListedPage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: `/?after=${encodeURIComponent(after)}`, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.once('error', reject)
      response.once('end', () => resolve(JSON.parse(body) as ListedPage))
    }).once('error', reject)
  })
}

/** What an audit of the window is asked for: the same by the one that dies and by the one that comes after it. */
export function auditOptions(fromMs: number) {
  return { from: new Date(fromMs), settlesWithin: '1m', clockSkew: '1s' } as const
}

async function main(plan: ListerPlan): Promise<void> {
  const pool = new Pool({ connectionString: plan.postgresUrl, max: 4 })
  let staged = 0
  const watching = {
    query: async (config: { text: string }) => {
      const stages = config.text.includes("SELECT 'repeated'")
      if (stages && staged > 0 && plan.dies === 'in the middle of staging a page') {
        writeSync(1, 'about to stage\n')
        await once(process.stdin, 'data')
      }
      const result = await pool.query(config as never)
      if (stages && plan.dies === 'after page 2 was staged') process.kill(process.pid, 'SIGKILL')
      if (stages) staged++
      return result
    },
    connect: () => pool.connect(),
  } as unknown as PostgresPool
  const charge = chargeListedAt(plan.port)
  const journal = postgresJournal(watching, { listen: false, schema: plan.schema })
  const counterfoil = new Counterfoil({ journal, effects: [charge], namespace: plan.namespace })
  await counterfoil.reconcile(charge, auditOptions(plan.fromMs))
  writeSync(1, 'came to its end\n')
  process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(JSON.parse(process.argv[2] ?? '{}') as ListerPlan)
