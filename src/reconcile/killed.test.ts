import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { postgresJournal } from '../journal/postgres/index.js'
import { reference } from '../protocol/index.js'
import { stripePaymentIntents } from '../providers/stripe/index.js'
import { order, stripeFor, toParams } from '../providers/stripe/stripe.fixture.js'
import { type GatewayProcess, startGatewayProcess } from '../testing/gateway/index.js'
import type { AuditPlan } from './auditor.fixture.js'

const STEPS: readonly NonNullable<AuditPlan['dies']>[] = [
  'before the intent',
  'inside the transaction of the intent',
  'after the intent',
  'with the right to call, before the call',
  'after the refund at the gateway, before its record',
  'after the record of the refund',
  'inside the transaction that settles it',
  'after one finding is repaired',
  'before the audit is marked complete',
]

let database: TestDatabase
let gateway: GatewayProcess
beforeAll(async () => {
  database = await testDatabase()
  gateway = await startGatewayProcess({ nodeArguments: ['--import', 'tsx'] })
})
afterAll(async () => {
  await gateway?.stop()
  await database?.drop()
})

/** One audit in a process of its own, until it has died or is done. */
async function audit(dies: AuditPlan['dies']): Promise<'died' | 'done'> {
  const plan: AuditPlan = {
    postgresUrl: database.connectionString,
    gateway: { host: gateway.host, port: gateway.port },
    dies,
  }
  const program = fileURLToPath(new URL('./auditor.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await once(child, 'close')
  if (/^done /m.test(said)) return 'done'
  expect(child.signalCode).toBe('SIGKILL')
  return 'died'
}

/** Two orders that were charged twice, and one that was not. */
async function plantDuplicates(): Promise<void> {
  await gateway.control.reset()
  const pool = new Pool({ connectionString: database.connectionString })
  await pool.query('DROP SCHEMA IF EXISTS killed CASCADE')
  const stripe = stripeFor(gateway)
  const charge = defineEffect({
    name: 'charge-order',
    key: (o: ReturnType<typeof order>) => o.id,
    provider: stripePaymentIntents(stripe, toParams, { facts: { settlesWithin: 50 } }),
  })
  const journal = postgresJournal(pool, { listen: false, schema: 'killed' })
  const counterfoil = new Counterfoil({ journal, effects: [charge] })
  for (const id of ['once', 'twice-1', 'twice-2']) await counterfoil.perform(charge, order(id))
  for (const id of ['twice-1', 'twice-2']) {
    await stripe.paymentIntents.create({
      ...{ ...toParams(order(id)), confirm: true },
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      metadata: {
        order_id: id,
        counterfoil_key: id,
        counterfoil_reference: reference('default', 'charge-order', id, 1),
      },
    })
  }
  await counterfoil.stop()
  await pool.end()
}

async function expectOnce(): Promise<void> {
  const ledger = await gateway.control.ledger()
  const refunds = ledger.all().flatMap((each) => each.movements.filter(({ kind }) => kind === 'refund'))
  expect(refunds).toHaveLength(2)
  expect(ledger.chargedTwice()).toEqual([])
  expect(ledger.totals()).toMatchObject({ charges: 5, live: 3, refunded: 2 })
}

describe('an auditor that is killed', () => {
  it.each(STEPS)(
    '%s, has each duplicate refunded once by the one that comes after it',
    async (step) => {
      await plantDuplicates()
      expect(await audit(step)).toBe('died')
      // What the dead one held is over when its time is.
      const pool = new Pool({ connectionString: database.connectionString })
      await pool.query("UPDATE killed.leases SET leased_until = now() WHERE key LIKE 'audit:%'")
      await pool.query('UPDATE killed.entries SET lease_until = now(), due_at = now() WHERE lease_until IS NOT NULL')
      await pool.end()
      expect(await audit(null)).toBe('done')
      await expectOnce()
    },
    60_000,
  )

  it('whose refund was made and whose response never came, is followed by one that does not refund again', async () => {
    await plantDuplicates()
    await gateway.control.fault({ route: 'refunds.create', times: 1, fault: { kind: 'delay', afterCommitMs: 60_000 } })
    expect(await audit(null)).toBe('done')
    expect(await audit(null)).toBe('done')
    await expectOnce()
  }, 60_000)
})
