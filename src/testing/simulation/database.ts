import { MemoryJournal, type MemoryTransaction } from '../../journal/memory/index.js'
import { isSettleable } from '../../journal/settlement.js'
import {
  type BegunAndWritten,
  type Entry,
  hasAnswer,
  type Journal,
  JournalError,
  type JournalWrite,
  type Written,
} from '../../protocol/index.js'
import type { Scene } from './scene.js'
import type { Consequence, ReceivedMessage, Rows } from './truth.js'

/** Gives the engine in a life its journal, so as to hear what it asks. Default: the database's own. */
export type Listen = (database: Database, who: number) => Journal<MemoryTransaction>

/**
 * The database server: the journal, the user's tables, one clock. It loses nothing that was committed; it can be away
 * for a time, and come back as another machine whose clock is a little different.
 */
export class Database {
  readonly journal: MemoryJournal
  /** The user's own table, written by `settled` handlers. */
  readonly consequences: Consequence[] = []
  /** The user's orders that were committed together with an `enqueue`. */
  readonly orders: string[] = []
  /** The user's own rows, written by handlers of messages. */
  readonly received: ReceivedMessage[] = []
  /** How the rows stand, for those who check. */
  rows: Rows = new Map()
  /** Grows whenever all connections break. */
  epoch = 0
  down = false
  /** Rows that somebody still has to look at. */
  unsettled = 0
  readonly #scene: Scene
  readonly #listen: Listen
  /** Each with the moments at which statements of it were carried out: what it has staged shows in no row yet. */
  readonly #open = new Map<MemoryTransaction, { readonly who: number; committing: boolean; atMs: readonly number[] }>()
  #clockOffsetMs = 0
  #fingerprint: string | null = null

  constructor(scene: Scene, listen: Listen = ({ journal }) => journal) {
    this.#scene = scene
    this.#listen = listen
    const wallMs = (): number => this.nowMs
    // The journal asks nothing of its clock but the time.
    this.journal = new MemoryJournal({
      clock: {
        wallMs,
        monotonicMs: wallMs,
        sleep: () => Promise.resolve(),
        schedule: () => () => undefined,
        nextTurn: queueMicrotask,
      },
      pause: () => DONE,
    })
  }

  /** The journal, for the engine in the life `who`. */
  journalOf(who: number): Journal<MemoryTransaction> {
    return this.#listen(this, who)
  }

  /** The journal's own clock. */
  get nowMs(): number {
    return Math.floor(this.#scene.nowMs + this.#clockOffsetMs)
  }

  /** Away, with all connections broken and all open transactions rolled back. */
  fail(clockStepMs: number): void {
    this.down = true
    this.epoch++
    this.#clockOffsetMs += clockStepMs
    for (const tx of [...this.#open.keys()]) this.rollback(tx)
    const step = clockStepMs === 0 ? '' : `, and its clock steps by ${clockStepMs} ms`
    this.#scene.timeline?.tell('database', `is away${step}`)
  }

  recover(): void {
    this.down = false
    this.#scene.timeline?.tell('database', 'is back')
  }

  /** Something in it may have changed that no row shows, such as a lease. */
  touched(): void {
    this.#fingerprint = null
  }

  opened(tx: MemoryTransaction, who: number): void {
    this.#open.set(tx, { who, committing: false, atMs: [] })
    this.#fingerprint = null
  }

  /** A statement of it is carried out. */
  works(tx: MemoryTransaction): void {
    const open = this.#open.get(tx)
    if (open !== undefined) open.atMs = [...open.atMs, this.nowMs]
    this.#fingerprint = null
  }

  /** The commit is on its way: from here on it may take effect even if the worker dies. */
  committing(tx: MemoryTransaction): void {
    const open = this.#open.get(tx)
    if (open !== undefined) open.committing = true
    this.#fingerprint = null
  }

  closed(tx: MemoryTransaction): void {
    this.#open.delete(tx)
    this.#fingerprint = null
  }

  rollback(tx: MemoryTransaction): void {
    this.#open.delete(tx)
    this.#fingerprint = null
    tx.rollback()
  }

  /** Everything that it knows, in one text. */
  fingerprint(): string {
    const { consequences, orders, received, down } = this
    this.#fingerprint ??= JSON.stringify([
      this.journal.known(),
      consequences,
      orders,
      [...this.#open.values()],
      down,
      ...received,
    ])
    return this.#fingerprint
  }

  /** The connections of a dead worker break. */
  disconnect(who: number): void {
    for (const [tx, open] of [...this.#open]) if (open.who === who && !open.committing) this.rollback(tx)
  }

  /** Watches writes being applied. */
  async watchWrite(
    writes: readonly JournalWrite[],
    write: () => Promise<readonly (Written | JournalError)[]>,
  ): Promise<readonly (Written | JournalError)[]> {
    const before = this.rows
    const written = await write()
    this.#wrote(writes, written, before)
    return written
  }

  /** The same of a statement that begins entries too; it may answer by a word that it has done nothing. */
  async watchBoth<Done extends Pick<BegunAndWritten, 'written'> | string>(
    writes: readonly JournalWrite[],
    both: () => Promise<Done>,
  ): Promise<Done> {
    const before = this.rows
    const done = await both()
    if (typeof done !== 'string') this.#wrote(writes, done.written, before)
    return done
  }

  #wrote(
    writes: readonly JournalWrite[],
    written: readonly (Written | JournalError)[],
    before: ReadonlyMap<string, Entry>,
  ): void {
    this.refresh()
    const took = written.map((each) => (each instanceof JournalError ? NOTHING_WRITTEN : each))
    this.#scene.checks.wrote(writes, took, before, this.rows)
  }

  /** Looks at all rows anew after anything that may have changed them. */
  refresh(): void {
    const before = this.rows
    const rows = new Map<string, Entry>()
    this.#fingerprint = null
    this.unsettled = 0
    for (const entry of this.journal.entries()) {
      rows.set(entry.id, entry)
      // An entry that is being undone waits for the entry of its undoing, which is counted.
      if (!hasAnswer(entry.state) || isSettleable(entry)) this.unsettled++
    }
    if (this.#scene.timeline !== undefined) this.#tellChanges(before, rows)
    this.rows = rows
    this.#scene.checks.changed(before, rows)
  }

  #tellChanges(before: Rows, after: Rows): void {
    for (const [id, row] of after) {
      const earlier = before.get(id)
      if (earlier === undefined || wordsOf(earlier) !== wordsOf(row)) {
        this.#scene.timeline?.tell(
          'database',
          `has ${row.key}${row.generation === 1 ? '' : ` (${row.generation})`} ${wordsOf(row)}`,
        )
      }
    }
  }
}

function wordsOf(row: Entry): string {
  const held = row.owner === null ? '' : `, held by ${row.owner} under fence ${row.fence}`
  const settled = row.settlement === 'none' ? '' : `, settlement ${row.settlement}`
  const doubt = row.inDoubtSinceMs === null ? '' : ', in doubt'
  const why = row.reason === null ? '' : ` (${row.reason.code})`
  const compact = row.isCompact ? ', compact' : ''
  return `${row.state}${why}${compact}, attempts ${row.attempts}${doubt}${held}${settled}`
}

const DONE = Promise.resolve()
const NOTHING_WRITTEN: Written = { applied: false }
