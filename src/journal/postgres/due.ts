import {
  assertCallEndsInsideLease,
  type DueFirst,
  type EffectTerms,
  type Head,
  type Seen,
} from '../../protocol/index.js'
import type { Clock } from '../../system/index.js'
import type { Database } from './database.js'
import { seenOf, timeOf } from './row.js'
import type { Statements } from './statements.js'

export type EffectName = Pick<EffectTerms, 'namespace' | 'effect'>

/** Batches of lost holders looked through at a time. */
const SWEPT_BATCHES = 64

/** While there is work, lost holders are looked for no oftener than this: their leases took longer to end. */
const SWEEP_MS = 100

/** What is due in the journal: whom it is the turn of, and how it is taken. */
export class DueEntries {
  readonly #database: Database
  readonly #sql: Statements
  readonly #clock: Clock
  #sweptAtMs = Number.NEGATIVE_INFINITY
  /** By namespace: behind which key the next look for heads goes on, where it cannot look at all. */
  readonly #lookedAt = new Map<string, string>()

  constructor(database: Database, sql: Statements, clock: Clock) {
    this.#database = database
    this.#sql = sql
    this.#clock = clock
  }

  async claim(effects: readonly EffectTerms[], limit: number, first?: DueFirst): Promise<readonly Seen[]> {
    for (const terms of effects) assertCallEndsInsideLease(terms)
    const isSwept = this.#maySweep()
    if (isSwept) await this.#sweep()
    const taken = await this.#claim(effects, limit, first)
    // Never a second look after one that took something: it could take the same again, should a lease be over by then.
    if (isSwept || taken.length > 0) return taken
    return (await this.#sweep()) ? this.#claim(effects, limit, first) : taken
  }

  async heads(effects: readonly EffectName[], limit: number): Promise<readonly Head[]> {
    const after = effects.map(({ namespace }) => this.#lookedAt.get(namespace) ?? '')
    const values = [...nameColumns(effects), after, limit]
    const rows = await this.#database.read('look for entries whose turn it is', this.#sql.heads, values)
    const heads: Head[] = []
    for (const [id, namespace = '', effect, serializeKey] of rows) {
      if (id === null) this.#lookedAt.set(namespace ?? '', serializeKey ?? '')
      else
        heads.push({ id: id ?? '', namespace: namespace ?? '', effect: effect ?? '', serializeKey: serializeKey ?? '' })
    }
    return heads
  }

  async settlements(effects: readonly EffectName[], limit: number): Promise<readonly string[]> {
    const values = [...nameColumns(effects), limit]
    const rows = await this.#database.read('look for due settlements', this.#sql.dueSettlements, values)
    return rows.map((row) => row[0] ?? '')
  }

  async nextInMs(effects: readonly EffectName[]): Promise<number | null> {
    const [row] = await this.#database.read('look for what is due next', this.#sql.nextDue, nameColumns(effects))
    const inMicros = row?.[0] ?? null
    return inMicros === null ? null : Math.max(0, timeOf(inMicros))
  }

  /** Makes entries of lost holders due in their own right; whether there were any. */
  async #sweep(): Promise<boolean> {
    this.#sweptAtMs = this.#clock.monotonicMs()
    return (await this.#database.write('find lost entries', this.#sql.sweep, [SWEPT_BATCHES])).length > 0
  }

  #maySweep(): boolean {
    return this.#clock.monotonicMs() - this.#sweptAtMs >= SWEEP_MS
  }

  async #claim(effects: readonly EffectTerms[], limit: number, first: DueFirst = 'begun'): Promise<Seen[]> {
    const values = [
      ...nameColumns(effects),
      effects.map((each) => each.owner),
      effects.map((each) => each.leaseMs),
      effects.map((each) => each.timeoutMs),
      limit,
    ]
    const statement = first === 'begun' ? this.#sql.claimDue : this.#sql.claimFresh
    return (await this.#database.write('take due entries', statement, values)).map(seenOf)
  }
}

function nameColumns(effects: readonly EffectName[]): [string[], string[]] {
  return [effects.map((each) => each.namespace), effects.map((each) => each.effect)]
}
