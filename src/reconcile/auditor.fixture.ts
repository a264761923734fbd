// A process that audits: it charges or refunds nothing itself but through the real SDK, and stops where it is told to.
import { writeSync } from 'node:fs'
import { Pool } from 'pg'
import Stripe from 'stripe'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { type PostgresPool, postgresJournal } from '../journal/postgres/index.js'
import { stripePaymentIntents } from '../providers/stripe/index.js'
import { type Order, toParams } from '../providers/stripe/stripe.fixture.js'

/** What it is told. */
export interface AuditPlan {
  readonly postgresUrl: string
  readonly gateway: { readonly host: string; readonly port: number }
  /** Where in the repair it kills itself. */
  readonly dies: keyof typeof STEPS | null
}

/** Steps of a repair, by the first statement in it that holds a text: the process dies before or after that statement. */
export const STEPS = {
  'before the intent': ['before', '.undone AS u (namespace'],
  'inside the transaction of the intent': ['after', 'INSERT INTO "killed".compensations'],
  'after the intent': ['after', 'COMMIT'],
  'with the right to call, before the call': ['after', "CASE e.state WHEN 'pending' THEN 'executing'"],
  'after the refund at the gateway, before its record': ['before', ') AS w ('],
  'after the record of the refund': ['after', ') AS w ('],
  'inside the transaction that settles it': ['before', 'UPDATE "killed".compensations AS c SET state'],
  'after one finding is repaired': ['before', 'SET status = $3::text'],
  'before the audit is marked complete': ['before', 'SET state = $3::text, counts'],
} as const

const plan = JSON.parse(process.argv[2] ?? '{}') as AuditPlan
const { dies } = plan

function die(): never {
  writeSync(1, 'dying\n')
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

let repairing = false

/** Runs a statement of the journal; from the first of the repair on, dies where it is told to. */
async function watched<T>(text: string, run: () => Promise<T>): Promise<T> {
  const [when, what] = dies === null ? [null, ''] : STEPS[dies]
  const mine = repairing && when !== null && text.includes(what)
  if (mine && when === 'before') die()
  const result = await run()
  if (mine && when === 'after') die()
  // What has been approved is looked for first of all.
  if (text.includes('AS s (status)')) repairing = true
  return result
}

const pool = new Pool({ connectionString: plan.postgresUrl, max: 4 })
pool.on('error', () => undefined)

function textOf(query: unknown): string {
  return typeof query === 'string' ? query : String(Reflect.get(Object(query), 'text') ?? '')
}

const watching = {
  query: (config: { text: string }) => watched(config.text, () => pool.query(config as never)),
  connect: async () => {
    const client = await pool.connect()
    return {
      query: (...args: unknown[]) => watched(textOf(args[0]), () => client.query(...(args as [never]))),
      release: (error?: Error | boolean) => client.release(error),
      on: client.on.bind(client),
      removeListener: client.removeListener.bind(client),
    }
  },
} as unknown as PostgresPool

const { host, port } = plan.gateway
const stripe = new Stripe('sk_test_shop', { host, port, protocol: 'http', telemetry: false })
const charge = defineEffect<Order, unknown>({
  name: 'charge-order',
  key: (order) => order.id,
  provider: stripePaymentIntents(stripe, toParams, { facts: { settlesWithin: 50 } }),
  timeout: 1_000,
  leaseGrace: 500,
  retryDelay: { first: 10, longest: 50 },
})
const counterfoil = new Counterfoil({
  journal: postgresJournal(watching, { listen: false, schema: 'killed' }),
  effects: [charge],
})

const report = await counterfoil.reconcile(charge, {
  since: '1h',
  settlesWithin: 0,
  clockSkew: 0,
  repair: { auto: { maxCount: 10, maxShare: 1, maxAmount: { eur: 100_000 } } },
})
writeSync(1, `done ${JSON.stringify({ totals: report.totals, resumed: report.run.resumed })}\n`)
await counterfoil.stop()
await pool.end()
