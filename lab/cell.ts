import { setTimeout as sleep } from 'node:timers/promises'
import type { GatewayControl } from 'counterfoil/testing'
import { APPLICATION_SCHEMA, type Message, type Order } from './application.js'
import { Broker } from './broker.js'
import type { Fault, Stage } from './fault.js'
import type { WorkOrder } from './ipc.js'
import type { Lane } from './lane.js'
import { makeOrders, strike } from './orders.js'
import type { LaneDatabase } from './servers.js'
import type { CellAddress } from './services.js'
import type { Strategy } from './strategy.js'
import { GATEWAY_LATENCY_MS } from './timing.js'
import { type Counts, judge, type OrderRow } from './verdict.js'
import type { WorkerProcess } from './worker-process.js'

/** One cell of the table: a strategy under a fault. */
export interface Cell {
  readonly strategy: Strategy
  readonly fault: Fault
  readonly orders: number
  readonly seed: number
}

/** What a cell showed. */
export interface Observation extends Counts {
  readonly ordersPerSecond: number
  /** Workers that ended by themselves: in no strategy may that be. */
  readonly crashes: number
  /** From the first delivery of a message for an order until the database had its status. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Longer than any cell may take to come to rest. What is still open then stays so, and the checker counts it. */
const REST_LIMIT_MS = 60_000
const LOOK_MS = 50
const DAY_MS = 86_400_000

/** The cell's name: a name for databases and for people. */
export function nameOf({ strategy, fault }: Pick<Cell, 'fault' | 'strategy'>): string {
  return `${strategy.name}/${strategy.gateway}/${fault.name}`
}

/** The fault came too late to strike, on a machine that was busy with something else: what was seen shows nothing. */
export class FaultMissed extends Error {}

/** Runs one cell: sets it up, lets the fault strike, waits until all has come to rest, and has it judged. */
export async function runCell(cell: Cell, lane: Lane, redisUrl: string): Promise<Observation> {
  const { database, gateway } = await lane.prepare({
    level: cell.strategy.gateway,
    latencyMs: GATEWAY_LATENCY_MS,
    keyWindowMs: cell.fault.gateway?.keyWindowMs ?? DAY_MS,
    searchLagMs: cell.fault.gateway?.searchLagMs ?? 0,
  })
  const address = {
    cell: `${process.pid}-${nameOf(cell)}`,
    databaseUrl: database.connectionString,
    gateway: { host: gateway.host, port: gateway.port, secretKey: 'sk_test_lab' },
    redisUrl,
  }
  return new CellRun(cell, lane, { address, database, gateway: gateway.control }).play()
}

interface Parts {
  readonly address: CellAddress
  readonly database: LaneDatabase
  readonly gateway: GatewayControl
}

class CellRun {
  readonly #cell: Cell
  readonly #lane: Lane
  readonly #parts: Parts
  readonly #broker = new Broker((message) => this.#noteDelivery(message))
  readonly #workers: WorkerProcess[] = []
  readonly #deliveredAtMs = new Map<string, number>()
  #messages = 0
  #crashes = 0

  constructor(cell: Cell, lane: Lane, parts: Parts) {
    this.#cell = cell
    this.#lane = lane
    this.#parts = parts
  }

  async play(): Promise<Observation> {
    const { fault, seed, orders: count } = this.#cell
    const orders = makeOrders(count * (fault.ordersTimes ?? 1), seed)
    const { struck, spared } = strike(orders, seed, fault.strikesAtMost)
    await this.#createTables(orders)
    try {
      await fault.inject(this.#stage(struck, spared))
      await this.#comeToRest()
    } finally {
      this.#broker.close()
    }
    await this.#audit()
    return this.#observe()
  }

  async #createTables(orders: readonly Order[]): Promise<void> {
    const { pool } = this.#parts.database
    await pool.query(APPLICATION_SCHEMA)
    if (this.#cell.strategy.schema !== undefined) await pool.query(this.#cell.strategy.schema)
    await pool.query(
      `insert into orders (id, customer, cents, card)
       select * from unnest($1::text[], $2::text[], $3::integer[], $4::text[])`,
      [
        orders.map(({ id }) => id),
        orders.map(({ customer }) => customer),
        orders.map(({ cents }) => cents),
        orders.map(({ card }) => card),
      ],
    )
  }

  #stage(struck: readonly Order[], spared: readonly Order[]): Stage {
    return {
      struck,
      spared,
      broker: this.#broker,
      gateway: this.#parts.gateway,
      join: (options) => this.#join(options?.gateClosed ?? false),
      messageFor: (order) => this.#messageFor(order),
      crashDatabase: () => this.#crashDatabase(struck),
      restartDatabase: () => this.#parts.database.server.restart(),
      untilOthersAreDone: () => this.#looking(async () => (await this.#openAmong(struck)) <= (await this.#blocked())),
    }
  }

  /** @throws {FaultMissed} when the gateway had answered all struck orders before: then no call was under way. */
  async #crashDatabase(struck: readonly Order[]): Promise<void> {
    if (!this.#lane.mayRestart)
      throw new Error('Other cells use that server; say so in `restartsDatabase` of the fault.')
    await this.#parts.database.server.kill()
    const charges = await this.#parts.gateway.requests({ route: 'payment_intents.create' })
    const waiting = charges.filter((charge) => charge.outcome === 'waiting').map((charge) => charge.businessKey)
    if (!struck.some(({ id }) => waiting.includes(id))) throw new FaultMissed('The database crashed too late.')
  }

  async #join(gateClosed: boolean): Promise<WorkerProcess> {
    const worker = await this.#lane.worker(this.#workers.length)
    await worker.open(this.#work(gateClosed))
    this.#workers.push(worker)
    this.#broker.subscribe(worker)
    void worker.exited.then(() => this.#lose(worker))
    return worker
  }

  /** As a broker does whose connection to a consumer broke. */
  #lose(worker: WorkerProcess): void {
    if (!worker.wasKilled) this.#crashes += 1
    this.#broker.lose(worker)
  }

  #work(gateClosed: boolean): WorkOrder {
    const { strategy } = this.#cell
    return { strategy: strategy.name, gatewayLevel: strategy.gateway, address: this.#parts.address, gateClosed }
  }

  #messageFor(order: Order): Message {
    this.#messages += 1
    return { id: `message-${this.#messages}`, order }
  }

  #noteDelivery({ order }: Message): void {
    if (!this.#deliveredAtMs.has(order.id)) this.#deliveredAtMs.set(order.id, Date.now())
  }

  /** Every message handled, every order decided, every late commit made, every worker done with what it had in hand. */
  async #comeToRest(): Promise<void> {
    await within(REST_LIMIT_MS, this.#broker.idle())
    await this.#looking(async () => (await this.#undecided()) <= this.#broker.dead.length)
    await Promise.all(this.#workers.filter((worker) => worker.isAlive).map((worker) => worker.close()))
    await this.#looking(async () => {
      const late = await this.#parts.gateway.requests({ fault: 'commit_after_client_gave_up' })
      return late.every((request) => request.executed)
    })
  }

  async #undecided(): Promise<number> {
    const { rows } = await this.#parts.database.pool.query<{ count: number }>(
      `select count(*)::integer as count from orders where status in ('open', 'in_doubt')`,
    )
    return rows[0]?.count ?? 0
  }

  /** How many of these orders are neither charged at the gateway nor decided in the table. */
  async #openAmong(orders: readonly Order[]): Promise<number> {
    const charged = (await this.#parts.gateway.ledger()).businessKeys()
    const { rows } = await this.#parts.database.pool.query<{ count: number }>(
      `select count(*)::integer as count from orders where status in ('open', 'in_doubt') and id = any ($1) and id <> all ($2)`,
      [orders.map((order) => order.id), charged],
    )
    return rows[0]?.count ?? 0
  }

  /** How many sessions wait for another's lock. */
  async #blocked(): Promise<number> {
    const { rows } = await this.#parts.database.pool.query<{ count: number }>(
      `select count(distinct pid)::integer as count from pg_locks join pg_stat_activity using (pid)
       where not granted and datname = current_database()`,
    )
    return rows[0]?.count ?? 0
  }

  async #looking(isSo: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + REST_LIMIT_MS
    while (!(await isSo()) && performance.now() < deadlineMs) await sleep(LOOK_MS)
  }

  /** Night falls: the strategy's own audit runs, where it has one. */
  async #audit(): Promise<void> {
    if (this.#cell.strategy.audit === undefined) return
    const worker = this.#workers.find((each) => each.isAlive) ?? (await this.#lane.worker(0))
    await worker.audit(this.#work(false))
  }

  async #observe(): Promise<Observation> {
    const { rows } = await this.#parts.database.pool.query<OrderRow & { settled_at: Date | null }>(
      'select id, status, settled_at from orders order by id',
    )
    const ledger = await this.#parts.gateway.ledger()
    const latenciesMs = rows
      .flatMap(({ id, settled_at }) =>
        settled_at === null ? [] : settled_at.getTime() - (this.#deliveredAtMs.get(id) ?? 0),
      )
      .sort((one, other) => one - other)
    return {
      ...judge(rows, ledger.all()),
      crashes: this.#crashes,
      ordersPerSecond: this.#rate(rows.map((row) => row.settled_at)),
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
    }
  }

  #rate(settledAt: readonly (Date | null)[]): number {
    const times = settledAt.flatMap((time) => (time === null ? [] : time.getTime()))
    const spanMs = Math.max(...times) - Math.min(...this.#deliveredAtMs.values())
    return times.length === 0 ? 0 : Math.round((times.length / Math.max(1, spanMs)) * 1_000)
  }
}

/** The nearest-rank quantile of sorted values; 0 of none. */
function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0)
}

async function within(limitMs: number, event: Promise<void>): Promise<void> {
  const over = new AbortController()
  await Promise.race([event, sleep(limitMs, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
