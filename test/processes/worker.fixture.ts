// One process of an application: it performs the keys that it is sent, and says which receipt each got.
import { Pool } from 'pg'
import { Counterfoil, defineEffect, EffectInDoubt, type Provider } from '../../src/index.js'
import { postgresJournal } from '../../src/journal/postgres/index.js'
import type { Command, Plan, Report } from './worker.js'

interface Order {
  readonly id: string
  readonly cents: number
}
interface Charge {
  readonly id: string
  readonly amount: number
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan

/** The gateway by hand, with plain fetch: no client library may help. */
async function charge(order: Order, reference: string, signal: AbortSignal): Promise<Charge> {
  const response = await fetch(`${plan.gatewayUrl}/v1/payment_intents`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_processes', 'idempotency-key': reference },
    body: new URLSearchParams({
      amount: String(order.cents),
      currency: 'eur',
      payment_method: 'pm_card_visa',
      confirm: 'true',
      'metadata[order_id]': order.id,
      'metadata[reference]': reference,
    }),
    signal,
  })
  const body = (await response.json()) as Charge
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${JSON.stringify(body)}`)
  return { id: body.id, amount: body.amount }
}

async function byReference(reference: string, signal: AbortSignal): Promise<Charge | null> {
  const query = new URLSearchParams({ limit: '100' })
  for (;;) {
    const response = await fetch(`${plan.gatewayUrl}/v1/payment_intents?${query}`, {
      headers: { authorization: 'Bearer sk_test_processes' },
      signal,
    })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    const page = (await response.json()) as {
      data: (Charge & { metadata: Record<string, string> })[]
      has_more: boolean
    }
    const found = page.data.find((each) => each.metadata.reference === reference)
    if (found !== undefined) return { id: found.id, amount: found.amount }
    const last = page.data.at(-1)
    if (!page.has_more || last === undefined) return null
    query.set('starting_after', last.id)
  }
}

/** As the operating system stops a process: between any two of its instructions. */
async function stopAt(at: 'claimed' | 'sending', keys: readonly string[]): Promise<void> {
  if (plan.stops?.at !== at || !keys.includes(plan.stops.key)) return
  await new Promise((resolve) => process.send?.({ kind: 'stopping' } satisfies Report, resolve))
  const stoppedAtMs = performance.now()
  process.kill(process.pid, 'SIGSTOP')
  // Another thread may take the signal: nothing more is done before it has struck.
  while (performance.now() - stoppedAtMs < 50);
}

const execute: Provider<Order, Charge>['execute'] = async (order, call) => {
  await stopAt('sending', [order.id])
  return charge(order, call.reference, call.signal)
}
const providers: Record<Plan['doubt'], Provider<Order, Charge>> = {
  park: { execute, inDoubt: 'park' },
  key: { execute, idempotencyKey: { window: plan.keyWindowMs ?? 86_400_000 } },
  find: { execute, find: (_order, call) => byReference(call.reference, call.signal), settlesWithin: 5_000 },
}

const chargeOrder = defineEffect<Order, Charge>({
  name: 'charge-order',
  key: (order) => order.id,
  provider: providers[plan.doubt],
  timeout: plan.timeoutMs ?? 5_000,
  leaseGrace: plan.leaseGraceMs ?? 2_000,
  retryDelay: { first: 20, longest: 200 },
})

const pool = new Pool({ connectionString: plan.postgresUrl, max: 4 })
pool.on('error', () => undefined)
const journal = postgresJournal(pool, { listen: plan.listen ?? true })
const begin = journal.beginAndWrite?.bind(journal)
journal.beginAndWrite = async (intents, writes) => {
  const begun = (await begin?.(intents, writes)) ?? 'apart'
  await stopAt(
    'claimed',
    intents.map(({ intent }) => intent.key),
  )
  return begun
}
const counterfoil = new Counterfoil({
  journal,
  effects: [chargeOrder],
  pollInterval: 50,
  hooks: {
    onInDoubt: ({ key }) => send({ kind: 'state', key, state: 'in_doubt' }),
    onParked: ({ key }) => send({ kind: 'state', key, state: 'parked' }),
  },
})

function send(report: Report): void {
  process.send?.(report)
}

async function perform(key: string): Promise<void> {
  try {
    const receipt = await counterfoil.perform(chargeOrder, { id: key, cents: 1999 }, { wait: plan.waitMs ?? 60_000 })
    send({ kind: 'receipt', key, receipt: receipt.id })
  } catch (error) {
    const state = error instanceof EffectInDoubt ? error.state : 'error'
    send({ kind: 'failed', key, state, message: error instanceof Error ? error.message : String(error) })
  }
}

process.on('message', (command: Command) => {
  if (command.do === 'perform') for (const key of command.keys) void perform(key)
  if (command.do === 'stop') void counterfoil.stop().then(() => process.exit(0))
})

// As an application does that is told to end.
process.on('SIGTERM', () => void counterfoil.stop().then(() => process.exit(0)))

if (plan.resolver !== false) await counterfoil.start()
send({ kind: 'ready' })
