import type { Change, JournalError, JournalWrite, Written } from '../../protocol/index.js'
import { inOrderOfIds, runApart, unanswered } from './batch.js'
import type { Batches } from './batches.js'
import type { Database } from './database.js'
import { successColumns, successValues, writeColumns } from './parameters.js'
import { type Changed, changedBy } from './row.js'
import type { Statement } from './statement.js'
import type { Statements } from './statements.js'

type Answer = Written | JournalError

const STALE: Written = { applied: false }

/** Writes holders' changes, in batches. */
export class Outcomes {
  readonly #database: Database
  readonly #sql: Pick<Statements, 'write' | 'succeed' | 'succeedOne'>
  readonly #channel: string
  readonly #batches: Batches

  constructor(at: {
    readonly database: Database
    readonly sql: Pick<Statements, 'write' | 'succeed' | 'succeedOne'>
    readonly channel: string
    readonly batches: Batches
  }) {
    this.#database = at.database
    this.#sql = at.sql
    this.#channel = at.channel
    this.#batches = at.batches
  }

  write(writes: readonly JournalWrite[]): Promise<readonly Answer[]> {
    return inOrderOfIds(
      writes,
      ({ id }) => id,
      (ordered) => (areDistinct(ordered) ? this.#writeDistinct(ordered) : this.#writeEach(ordered)),
    )
  }

  /** Two writes to one entry go one after the other, as their caller ordered them; no engine does that. */
  async #writeEach(writes: readonly JournalWrite[]): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (const write of writes) answers.push(...(await this.#writeDistinct([write])))
    return answers
  }

  async #writeDistinct(writes: readonly JournalWrite[]): Promise<readonly Answer[]> {
    const plain = writes.filter(({ change }) => isPlainSuccess(change))
    if (plain.length === writes.length) return this.#writePlain(plain)
    if (plain.length === 0) return this.#writeAny(writes)
    const others = writes.filter(({ change }) => !isPlainSuccess(change))
    const answers = new Map<JournalWrite, Answer>()
    for (const [i, answer] of (await this.#writePlain(plain)).entries()) answers.set(plain[i] as JournalWrite, answer)
    for (const [i, answer] of (await this.#writeAny(others)).entries()) answers.set(others[i] as JournalWrite, answer)
    return writes.map((write) => answers.get(write) ?? unanswered(write.id))
  }

  #writePlain(writes: readonly JournalWrite[]): Promise<readonly Answer[]> {
    return runApart(writes, (some) => {
      const [only] = some
      return only !== undefined && some.length === 1
        ? this.#run(this.#sql.succeedOne, some, successValues(only))
        : this.#run(this.#sql.succeed, some, successColumns(some))
    })
  }

  #writeAny(writes: readonly JournalWrite[]): Promise<readonly Answer[]> {
    return runApart(writes, (some) => this.#run(this.#sql.write, some, writeColumns(some)))
  }

  async #run(statement: Statement, writes: readonly JournalWrite[], columns: readonly unknown[]): Promise<Written[]> {
    const rows = await this.#database.write('write an outcome', statement, [...columns, this.#channel])
    return this.writtenOf(writes, changedBy(rows))
  }

  /** What came of writes, by which of them took effect. */
  writtenOf(writes: readonly JournalWrite[], { ids, nowMs }: Changed): Written[] {
    const applied: Written = { applied: true, nowMs }
    return writes.map(({ id }) => {
      this.#batches.ended(id)
      return ids === null || ids.has(id) ? applied : STALE
    })
  }
}

/** Whether all of these, in the order of their ids, can be written by `writeSuccesses` at once. */
export function arePlainSuccesses(ordered: readonly JournalWrite[]): boolean {
  return ordered.every(({ change }) => isPlainSuccess(change)) && areDistinct(ordered)
}

/** Whether no id stands twice among writes in the order of their ids. */
function areDistinct(ordered: readonly JournalWrite[]): boolean {
  return ordered.every(({ id }, i) => ordered[i - 1]?.id !== id)
}

/** What `writeSuccesses` writes: the statement has these values in its text. */
function isPlainSuccess(change: Change): boolean {
  return (
    change.state === 'succeeded' &&
    change.leaseForMs === null &&
    change.dueInMs === null &&
    change.callForMs === null &&
    change.callOver &&
    change.doubt === 'clear' &&
    change.attempts === 1 &&
    change.findFailures === 0 &&
    !change.keySpent &&
    change.reason === null &&
    change.settlement === 'none'
  )
}
