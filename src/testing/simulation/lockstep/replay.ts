import { type PostgresPool, type PostgresTransaction, postgresJournal } from '../../../journal/postgres/index.js'
import type { Entry, Journal, LeaseGrant } from '../../../protocol/index.js'
import type { Clock } from '../../../system/index.js'
import { comparable, type Difference, isSame, textOf, wordsOf } from './difference.js'
import { type OpenTransaction, openSettlement, openTransaction } from './open-transaction.js'
import type { Again, Called, Ended, Opened, Recorded, Recording } from './recording.js'
import { choseAmongEquals, hasTie } from './ties.js'
import type { VirtualTime } from './virtual-time.js'

/** Makes the journal of one life. */
export type MakeJournal = (pool: PostgresPool, clock: Clock) => Journal<PostgresTransaction>

/** The tables are there, and no wake-up is waited for. */
export const productionJournal: MakeJournal = (pool, clock) =>
  postgresJournal(pool, { migrate: false, listen: false, clock })

/** What is answered by whose turn it is. */
const TAKES_TURNS: ReadonlySet<string> = new Set(['claim', 'heads'])

/** Two answers as texts: they should be the same. */
interface Answers {
  readonly memory: string
  readonly postgres: string
  /** Both are right, though they are not the same. */
  readonly areBothRight?: boolean
}

/**
 * Does the operations of a recorded history again on PostgreSQL, one after the other, each at its own time, and compares
 * each answer and the rows that it changed.
 */
export class Replay {
  readonly #recording: Recording
  readonly #time: VirtualTime
  readonly #makeJournal: MakeJournal
  readonly #journals = new Map<number, Journal<PostgresTransaction>>()
  readonly #open = new Map<number, OpenTransaction>()
  readonly #grants = new Map<string, LeaseGrant>()
  /** As the memory journal has them. */
  readonly #rows = new Map<string, Entry>()
  #done = 0

  /** How many operations have been done. */
  get done(): number {
    return this.#done
  }

  constructor(recording: Recording, time: VirtualTime, makeJournal: MakeJournal = productionJournal) {
    this.#recording = recording
    this.#time = time
    this.#makeJournal = makeJournal
  }

  /** The first difference; null: there is none; undecided: the first one says nothing (see {@link hasTie}, {@link choseAmongEquals}). */
  async run(): Promise<Difference | 'undecided' | null> {
    try {
      for (const event of this.#recording.events) {
        this.#done++
        this.#time.nowMs = event.nowMs
        const answers = await this.#again(event)
        if (answers.memory !== answers.postgres) {
          const isUndecided = event.what === 'called' && TAKES_TURNS.has(event.operation) && hasTie(this.#rows)
          if (isUndecided || answers.areBothRight === true) return 'undecided'
          return this.#difference(this.#done, wordsOf(event), answers)
        }
        for (const entry of event.changed) this.#rows.set(entry.id, entry)
        const rows = await this.#compareRows(event.who, event.changed)
        if (rows !== null) return this.#difference(this.#done, `a row after ${wordsOf(event)}`, rows)
      }
      return await this.#compareEnd()
    } finally {
      for (const open of this.#open.values()) await open.rollback()
    }
  }

  #difference(at: number | null, operation: string, { memory, postgres }: Answers): Difference {
    return { seed: this.#recording.seed, at, operation, memory, postgres }
  }

  #again(event: Recorded): Promise<Answers> {
    if (event.what === 'called') return this.#call(event)
    return event.what === 'opened' ? this.#begin(event) : this.#end(event)
  }

  async #call({ who, kind, ask, answer, operation }: Called): Promise<Answers> {
    const again: Again<PostgresTransaction> = {
      journal: this.#journalOf(who),
      inside: (transaction) => this.#transaction(transaction).tx,
      grant: (grant) => this.#grants.get(nameOf(grant)) ?? grant,
    }
    const memory = comparable(kind, answer, this.#rows)
    try {
      const given = await ask(again)
      if (kind === 'grant' && answer !== null && given !== null)
        this.#grants.set(nameOf(answer as LeaseGrant), given as LeaseGrant)
      if (isSame(kind, answer, given, this.#rows)) return { memory, postgres: memory }
      const areBothRight = operation === 'claimDue' && choseAmongEquals(answer, given, this.#rows)
      return { memory, postgres: comparable(kind, given, this.#rows), areBothRight }
    } catch (error) {
      return { memory, postgres: `throws ${String(error)}` }
    }
  }

  async #begin({ who, transaction, settles }: Opened): Promise<Answers> {
    const journal = this.#journalOf(who)
    const open = settles === null ? await openTransaction(journal) : await openSettlement(journal, settles.id)
    if ('refused' in open) return { memory: textOf(settles), postgres: `does not begin: ${open.refused}` }
    this.#open.set(transaction, open)
    return { memory: textOf(settles), postgres: textOf(open.entry) }
  }

  async #end({ what, transaction }: Ended): Promise<Answers> {
    const open = this.#transaction(transaction)
    this.#open.delete(transaction)
    return { memory: what, postgres: what === 'committed' ? await open.commit() : await open.rollback() }
  }

  #transaction(number: number): OpenTransaction {
    const open = this.#open.get(number)
    if (open === undefined) throw new Error(`Transaction ${number} is not open.`)
    return open
  }

  async #compareRows(who: number, expected: readonly Entry[]): Promise<Answers | null> {
    if (expected.length === 0) return null
    const seen = await this.#journalOf(who).read(expected.map(({ id }) => id))
    for (const [i, entry] of expected.entries()) {
      const answers = { memory: textOf(entry), postgres: textOf(seen[i]?.entry ?? null) }
      if (answers.memory !== answers.postgres) return answers
    }
    return null
  }

  async #compareEnd(): Promise<Difference | null> {
    const { rows } = this.#recording
    const different = await this.#compareRows(0, rows)
    if (different !== null) return this.#difference(null, 'a row', different)
    const { rows: ids } = await this.#time.query({ text: 'SELECT id::text FROM counterfoil.entries ORDER BY id' })
    const memory = textOf(rows.map(({ id }) => ({ id })).sort((one, other) => (one.id < other.id ? -1 : 1)))
    const postgres = textOf(ids)
    return memory === postgres ? null : this.#difference(null, 'which rows there are', { memory, postgres })
  }

  /** Each life has a journal of its own, as in production: it keeps in mind what it has begun. */
  #journalOf(who: number): Journal<PostgresTransaction> {
    const journal = this.#journals.get(who) ?? this.#makeJournal(this.#time, this.#clock)
    this.#journals.set(who, journal)
    return journal
  }

  /**
   * The machine's clock: it makes great steps between two operations, so that every look for what is due also sweeps.
   * In production it may leave that to the next look, which is a matter of speed.
   */
  get #clock(): Clock {
    return {
      monotonicMs: () => this.#time.nowMs + 1000 * this.#done,
      wallMs: () => this.#time.nowMs,
      sleep: () => Promise.reject(new Error('Nothing sleeps in a replay.')),
      schedule: () => () => undefined,
      nextTurn: (callback) => queueMicrotask(callback),
    }
  }
}

function nameOf({ key, fence, holder }: LeaseGrant): string {
  return JSON.stringify([key, fence, holder])
}
