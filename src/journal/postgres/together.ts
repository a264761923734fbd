import { type BegunAndWritten, JournalError, type JournalWrite } from '../../protocol/index.js'
import { orderedByIds } from './batch.js'
import type { Database } from './database.js'
import { isBadData, isBlocked } from './errors.js'
import type { Intents } from './intents.js'
import { arePlainSuccesses, type Outcomes } from './outcomes.js'
import { type BeginItem, beginColumns, successColumns } from './parameters.js'
import { type Changed, changedIn } from './row.js'
import type { Statements } from './statements.js'

/** Many times what a commit takes, and little beside what a call may. */
const LOCK_TIMEOUT = '100ms'

/** Writes intents together with outcomes: one statement, and one commit. */
export class Together {
  readonly #database: Database
  readonly #sql: Pick<Statements, 'beginAndSucceed'>
  readonly #channel: string
  readonly #intents: Intents
  readonly #outcomes: Outcomes

  constructor(at: {
    readonly database: Database
    readonly sql: Pick<Statements, 'beginAndSucceed'>
    readonly channel: string
    readonly intents: Intents
    readonly outcomes: Outcomes
  }) {
    this.#database = at.database
    this.#sql = at.sql
    this.#channel = at.channel
    this.#intents = at.intents
    this.#outcomes = at.outcomes
  }

  async beginAndWrite(
    items: readonly BeginItem[],
    writes: readonly JournalWrite[],
  ): Promise<BegunAndWritten | 'apart' | 'blocked'> {
    if (items.some(({ intent }) => intent.serializeKey !== null)) return 'apart'
    const ends = orderedByIds(writes, ({ id }) => id)
    if (!arePlainSuccesses(ends.ordered)) return 'apart'
    const begins = orderedByIds(items, ({ intent }) => intent.id)
    let done: { readonly created: Changed; readonly changed: Changed | null }
    try {
      done =
        writes.length === 0
          ? { created: await this.#intents.create(begins.ordered, LOCK_TIMEOUT), changed: null }
          : await this.#both(begins.ordered, ends.ordered)
    } catch (error) {
      if (error instanceof JournalError && isBlocked(error.cause)) return 'blocked'
      if (error instanceof JournalError && isBadData(error.cause)) return 'apart'
      throw error
    }
    const { created, changed } = done
    const written = changed === null ? [] : ends.backInPlace(this.#outcomes.writtenOf(ends.ordered, changed))
    return { begun: begins.backInPlace(await this.#begunOf(begins.ordered, created)), written }
  }

  async #both(
    items: readonly BeginItem[],
    writes: readonly JournalWrite[],
  ): Promise<{ readonly created: Changed; readonly changed: Changed }> {
    let changed: Changed = { ids: new Set(), nowMs: 0 }
    const created = await this.#intents.inBatch(items, async ({ batch, shortestLeaseMs }) => {
      const [row] = await this.#database.write('write intents and outcomes', this.#sql.beginAndSucceed, [
        ...[...beginColumns(items), batch, shortestLeaseMs, LOCK_TIMEOUT],
        ...[...successColumns(writes), this.#channel],
      ])
      changed = changedIn(row?.[1])
      return changedIn(row?.[0])
    })
    return { created, changed }
  }

  /** Where one that stood already cannot be read, the outcomes are written all the same. */
  async #begunOf(items: readonly BeginItem[], created: Changed): Promise<BegunAndWritten['begun']> {
    try {
      return await this.#intents.begunOf(items, created)
    } catch (error) {
      if (error instanceof JournalError) return items.map(() => error)
      throw error
    }
  }
}
