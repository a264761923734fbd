import type { GatewayControl, Ledger, LoggedRequest } from 'counterfoil/testing'
import type { Pool } from 'pg'
import type { Load } from './load.js'
import { CHARGE_ORDER, CHARGE_TIP, type Order, tipOf } from './shop.js'
import { LEASE_GRACE_MS, TIP_WAIT_MS } from './timing.js'
import type { Stop } from './world.js'

/** What is true at the end, seen from outside: the gateway's own books, the shop's tables, and how the entries stand. */
export interface Facts {
  readonly load: Load
  readonly ledger: Ledger
  /** The calls that reached the gateway, in the order of arrival. */
  readonly calls: readonly LoggedRequest[]
  readonly entries: readonly EntryRow[]
  readonly settlements: readonly SettlementRow[]
  /** Which workers were stopped (SIGSTOP) and when: maybe between their last look at the time and the first byte. */
  readonly stops: readonly Stop[]
  /** Ids in the shop's table of orders. */
  readonly ordersKept: ReadonlySet<string>
}

export interface EntryRow {
  readonly effect: string
  readonly key: string
  readonly state: string
  readonly settlement: string
  readonly reason: string | null
  readonly fence: number
  readonly attempts: number
  readonly createdAtMs: number
  readonly firstSentAtMs: number | null
}

export interface SettlementRow {
  readonly effect: string
  readonly key: string
  readonly outcome: string
  readonly externalId: string | null
  readonly atMs: number
}

export interface Findings {
  readonly effects: number
  readonly charges: number
  /** Keys that were charged more than once. */
  readonly chargedTwice: number
  /** Effects that were not to be sent before a moment. */
  readonly putOff: number
  /** Effects that were accepted and have not come to an end, or not to the one that is told. */
  readonly lost: number
  readonly parked: number
  /** What must not be, in words; empty where all holds. */
  readonly violations: readonly string[]
}

export async function gatherFacts(
  pool: Pool,
  gateway: GatewayControl,
  told: Pick<Facts, 'load' | 'stops'>,
): Promise<Facts> {
  const ledger = await gateway.ledger()
  const calls = await gateway.requests({ method: 'POST' })
  const { rows: entries } = await pool.query<EntryRow>(`
    select effect, key, state, settlement, reason->>'code' as reason, fence::integer, attempts,
      (extract(epoch from created_at) * 1000)::double precision as "createdAtMs",
      (extract(epoch from first_sent_at) * 1000)::double precision as "firstSentAtMs"
    from counterfoil.entries`)
  const { rows: settlements } = await pool.query<SettlementRow>(`
    select effect, key, outcome, external_id as "externalId",
      (extract(epoch from at) * 1000)::double precision as "atMs"
    from settlements`)
  const { rows: orders } = await pool.query<{ id: string }>('select id from orders')
  return { ...told, ledger, calls, entries, settlements, ordersKept: new Set(orders.map((order) => order.id)) }
}

/** Compares the facts. It knows nothing of how the engine works, only what it promises. */
export function findViolations(facts: Facts): Findings {
  const wanted = wantedKeys(facts)
  const entries = new Map(facts.entries.map((entry) => [nameOf(entry), entry]))
  const settled = groupBy(facts.settlements, nameOf)
  const violations = [
    ...ordersAndEntries(facts, wanted, entries),
    ...[...entries.values()].flatMap((entry) => endOf(entry, facts.ledger, settled.get(nameOf(entry)) ?? [])),
    ...orderPerCustomer(facts),
    ...oneAtATime(facts),
    ...sentTooSoon(facts),
  ]
  const unended = [...wanted].filter((name) => !isAtEnd(entries.get(name)))
  const unpaid = facts.entries.filter(
    ({ state, key }) => state === 'succeeded' && facts.ledger.charges(key).length === 0,
  )
  const chargedTwice = facts.ledger.businessKeys().filter((key) => facts.ledger.charges(key).length > 1)
  return {
    effects: facts.entries.length,
    charges: facts.ledger.totals().charges,
    chargedTwice: chargedTwice.length,
    putOff: facts.entries.filter((entry) => earliestMs(entry, facts.load) !== null).length,
    lost: unended.length + unpaid.length,
    parked: facts.entries.filter((entry) => entry.state === 'parked').length,
    violations,
  }
}

function nameOf({ effect, key }: { readonly effect: string; readonly key: string }): string {
  return `${effect} ${key}`
}

/** The effects that there must be: a charge for every order, and a tip for every tipped order that has ended. */
function wantedKeys({ load, settlements }: Facts): Set<string> {
  const ended = new Set(settlements.filter((each) => each.effect === CHARGE_ORDER).map((each) => each.key))
  return new Set([
    ...load.orders.map((order) => nameOf({ effect: CHARGE_ORDER, key: order.id })),
    ...load.orders
      .filter((order) => order.tipped && ended.has(order.id))
      .map((order) => nameOf({ effect: CHARGE_TIP, key: tipOf(order.id) })),
  ])
}

function ordersAndEntries(
  { load, ledger, ordersKept }: Facts,
  wanted: ReadonlySet<string>,
  entries: ReadonlyMap<string, EntryRow>,
): string[] {
  return [
    ...[...wanted].filter((name) => !entries.has(name)).map((name) => `${name} was accepted, and there is no entry`),
    ...[...entries.keys()].filter((name) => !wanted.has(name)).map((name) => `${name} has an entry, and nobody asked`),
    ...load.orders
      .filter(({ id }) => !ordersKept.has(id))
      .map(({ id }) => `${id} was committed and is not in the shop`),
    ...load.rolledBack
      .filter((id) => ordersKept.has(id) || ledger.charges(id).length > 0)
      .map((id) => `${id} was rolled back, and left something`),
  ]
}

function isAtEnd(entry: EntryRow | undefined): boolean {
  return entry !== undefined && ['succeeded', 'failed', 'parked'].includes(entry.state) && entry.settlement !== 'dead'
}

function endOf(entry: EntryRow, ledger: Ledger, settlements: readonly SettlementRow[]): string[] {
  const name = nameOf(entry)
  const charges = ledger.charges(entry.key)
  const said: string[] = []
  if (!isAtEnd(entry)) said.push(`${name} has not ended: ${entry.state}, settlement ${entry.settlement}`)
  if (charges.length > 1) said.push(`${name} was charged ${charges.length} times`)
  if (entry.state === 'succeeded' && charges.length === 0) said.push(`${name} succeeded, and there is no charge`)
  if (entry.state === 'failed' && charges.length > 0) said.push(`${name} failed, and there is a charge`)
  const settledOnce = entry.state === 'parked' ? 0 : 1
  if (settlements.length !== settledOnce)
    said.push(`${name} is ${entry.state}, and was settled ${settlements.length} times`)
  for (const { outcome, externalId } of settlements) {
    if (outcome !== entry.state) said.push(`${name} is ${entry.state}, and was settled as ${outcome}`)
    const [charge] = charges
    if (externalId !== null && charge?.paymentIntent !== externalId) {
      said.push(`${name} was settled with ${externalId}, and the charge is of ${charge?.paymentIntent}`)
    }
  }
  return said
}

/** The ledger stands in the order in which money moved: in it, each customer's orders must ascend. */
function orderPerCustomer({ load, ledger }: Facts): string[] {
  const orders = new Map<string, Order>(load.orders.map((order) => [order.id, order]))
  const last = new Map<string, Order>()
  const said: string[] = []
  for (const { businessKey } of ledger.all()) {
    const order = orders.get(businessKey ?? '')
    if (order === undefined) continue
    const before = last.get(order.customer)
    if (before !== undefined && before.place > order.place) {
      said.push(`${order.customer}: ${before.id} was charged before ${order.id}, which came first`)
    }
    last.set(order.customer, order)
  }
  return said
}

/**
 * Two holders of one entry would show as two calls at once. A holder begins its call, at the latest, the grace of the
 * lease before the lease is over: so a call that comes sooner after another's, which is still under way, comes from
 * somebody who was let in beside its holder. The same holds for the orders of one customer.
 *
 * But for calls of a worker that was stopped meanwhile: no check of the time can stand closer to the first byte than one
 * instruction, and the call of one that was stopped there comes late. The key, or `settlesWithin`, keeps it from being a
 * second charge.
 */
function oneAtATime({ load, calls, stops }: Facts): string[] {
  const customers = new Map(load.orders.map((order) => [order.id, order.customer]))
  const last = new Map<string, LoggedRequest>()
  const said: string[] = []
  for (const call of calls) {
    if (call.businessKey === null) continue
    const turn = customers.get(call.businessKey) ?? call.businessKey
    const before = last.get(turn)
    const isLate = [before, call].some((each) => each !== undefined && wasStoppedDuring(each, stops))
    if (before !== undefined && isBeside(before, call) && !isLate) {
      said.push(
        `${turn}: ${call.id} for ${call.businessKey} came while ${before.id} for ${before.businessKey} was under way`,
      )
    }
    last.set(turn, call)
  }
  return said
}

function isBeside(before: LoggedRequest, call: LoggedRequest): boolean {
  const underWay = before.finishedMs === null || before.finishedMs > call.receivedMs
  return underWay && call.receivedMs - before.receivedMs < LEASE_GRACE_MS
}

/** How long after it was woken a worker may take to send what it was about to send, on a busy machine. */
const WAKES_WITHIN_MS = 1_000

function wasStoppedDuring({ userAgent, receivedMs, finishedMs }: LoggedRequest, stops: readonly Stop[]): boolean {
  return stops.some(({ client, fromMs, untilMs }) => {
    const isSameWorker = userAgent?.split(' ').includes(client) === true
    const isStoppedMeanwhile = fromMs <= (finishedMs ?? Number.POSITIVE_INFINITY)
    return isSameWorker && isStoppedMeanwhile && receivedMs <= untilMs + WAKES_WITHIN_MS
  })
}

/**
 * The moment before which an entry must not be sent; null: none was promised. A wait counts from the enqueueing by the
 * database's clock, which is the machine's, whatever the clock of the worker that enqueued showed.
 */
function earliestMs({ effect, key, createdAtMs }: EntryRow, load: Load): number | null {
  const notBefore = effect === CHARGE_TIP ? TIP_WAIT_MS : load.notBefore.get(key)
  if (notBefore === undefined) return null
  return typeof notBefore === 'number' ? createdAtMs + notBefore : notBefore.getTime()
}

/** Both the journal's word and the gateway's: a call that the journal knows nothing of would show at the gateway. */
function sentTooSoon({ entries, calls, load }: Facts): string[] {
  const firstCalls = new Map<string | null, LoggedRequest>()
  for (const call of calls) if (!firstCalls.has(call.businessKey)) firstCalls.set(call.businessKey, call)
  return entries.flatMap((entry) => {
    const earliest = earliestMs(entry, load)
    if (earliest === null) return []
    const said: string[] = []
    const tooSoon = (who: string, atMs: number): void => {
      said.push(`${nameOf(entry)} was sent ${(earliest - atMs).toFixed(3)} ms before its time, says ${who}`)
    }
    const { firstSentAtMs } = entry
    if (firstSentAtMs !== null && microsOf(firstSentAtMs) < microsOf(earliest)) tooSoon('the journal', firstSentAtMs)
    // The gateway tells whole milliseconds, rounded down.
    const receivedMs = firstCalls.get(entry.key)?.receivedMs ?? Number.POSITIVE_INFINITY
    if (receivedMs < Math.floor(earliest)) tooSoon('the gateway', receivedMs)
    return said
  })
}

/** Whole, as PostgreSQL's clock has them: sums of milliseconds with fractions may be a little off. */
function microsOf(ms: number): number {
  return Math.round(ms * 1_000)
}

function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(nameOf(item))
    if (group === undefined) groups.set(nameOf(item), [item])
    else group.push(item)
  }
  return groups
}
