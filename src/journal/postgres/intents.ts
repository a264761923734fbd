import { type Begun, begin, type Enqueued, type JournalError, type Seen } from '../../protocol/index.js'
import { inOrderOfIds, runApart, unanswered } from './batch.js'
import type { Batches } from './batches.js'
import type { Database } from './database.js'
import { type EnqueueItem, enqueuedNow, enqueueOneValues, ownEnqueueValues } from './enqueue.js'
import { type BeginItem, beginColumns, beginValues } from './parameters.js'
import { byId, type Changed, changedBy } from './row.js'
import type { Statements } from './statements.js'

type Sql = Pick<Statements, 'begin' | 'beginOne' | 'enqueue' | 'enqueueOne' | 'read'>

/** Writes intents, in batches, each a transaction of its own. */
export class Intents {
  readonly #database: Database
  readonly #sql: Sql
  readonly #batches: Batches

  constructor(at: { readonly database: Database; readonly sql: Sql; readonly batches: Batches }) {
    this.#database = at.database
    this.#sql = at.sql
    this.#batches = at.batches
  }

  begin(items: readonly BeginItem[]): Promise<readonly (Begun | JournalError)[]> {
    return inOrderOfIds(
      items,
      ({ intent }) => intent.id,
      (ordered) => this.#beginInOrder(ordered),
    )
  }

  /** Each kind apart: where the database refuses a row of one, what was written of the other is not written again. */
  async #beginInOrder(items: readonly BeginItem[]): Promise<readonly (Begun | JournalError)[]> {
    const inTurn = items.filter(({ intent }) => intent.serializeKey !== null)
    if (inTurn.length === 0) return runApart(items, (some) => this.#beginFree(some))
    const free = items.filter(({ intent }) => intent.serializeKey === null)
    const begun = new Map<BeginItem, Begun | JournalError>()
    const answers = [
      ...(await runApart(free, (some) => this.#beginFree(some))),
      ...(await runApart(inTurn, (some) => this.#beginPending(some))),
    ]
    for (const [i, item] of [...free, ...inTurn].entries()) begun.set(item, answers[i] ?? unanswered(item.intent.id))
    return items.map((item) => begun.get(item) ?? unanswered(item.intent.id))
  }

  async #beginFree(items: readonly BeginItem[]): Promise<Begun[]> {
    return this.begunOf(items, await this.create(items, null))
  }

  /** What came of beginning items without a `serializeKey`, in the order of their ids, by what of them was created. */
  async begunOf(items: readonly BeginItem[], { ids, nowMs }: Changed): Promise<Begun[]> {
    // Nearly always: nothing to look up, and no two with one id.
    if (ids === null)
      return items.map(({ intent, terms }) => ({ created: true, entry: begin(intent, terms, nowMs), nowMs }))
    const others = items.map((item) => item.intent.id).filter((id) => !ids.has(id))
    const standing = others.length === 0 ? new Map<string, Seen>() : await readSeen(this.#database, this.#sql, others)
    return inPlace(
      items,
      ({ intent, terms }) => {
        const seen = standing.get(intent.id)
        if (seen !== undefined) return { created: false, ...seen }
        if (!ids.has(intent.id)) return null
        const entry = begin(intent, terms, nowMs)
        // Of two with one id in the batch, the second meets the first one's entry.
        standing.set(intent.id, { entry, nowMs })
        return { created: true, entry, nowMs }
      },
      (removed) => this.#beginFree(removed),
    )
  }

  /** Those with a `serializeKey` only come to wait for their turn. */
  async #beginPending(items: readonly BeginItem[]): Promise<Begun[]> {
    const created = await this.#enqueueNow(
      items.map(({ intent }, position) => ({ intent, notBefore: null, position })),
      null,
    )
    const standing = await readSeen(
      this.#database,
      this.#sql,
      items.map((item) => item.intent.id),
    )
    return inPlace(
      items,
      ({ intent }) => {
        const seen = standing.get(intent.id)
        return seen === undefined ? null : { created: created.delete(intent.id), ...seen }
      },
      (removed) => this.#beginPending(removed),
    )
  }

  /** Creates what does not exist yet. `lockTimeout`: how long to wait for anybody, null: as long as it takes. */
  create(items: readonly BeginItem[], lockTimeout: string | null): Promise<Changed> {
    return this.inBatch(items, async ({ batch, shortestLeaseMs }) => {
      const [only] = items
      const rows =
        only !== undefined && items.length === 1
          ? await this.#database.write('write an intent', this.#sql.beginOne, [
              ...beginValues(only),
              batch,
              lockTimeout,
            ])
          : await this.#database.write('write an intent', this.#sql.begin, [
              ...beginColumns(items),
              batch,
              shortestLeaseMs,
              lockTimeout,
            ])
      return changedBy(rows)
    })
  }

  /** Creates them by a statement that writes this batch as well, so that they are found should this process be lost. */
  async inBatch(
    items: readonly BeginItem[],
    create: (at: { readonly batch: string; readonly shortestLeaseMs: number }) => Promise<Changed>,
  ): Promise<Changed> {
    const batch = this.#batches.take()
    // One of two hours must not keep another from being found in time, which is lost with it.
    const shortestLeaseMs = Math.min(...items.map((item) => item.terms.leaseMs))
    const created = await create({ batch, shortestLeaseMs })
    const ids = created.ids === null ? items.map(({ intent }) => intent.id) : [...created.ids]
    this.#batches.begun(batch, ids, shortestLeaseMs)
    return created
  }

  /** Writes pending entries in a transaction of their own, and tells how those stand that exist already. */
  async enqueue(items: readonly EnqueueItem[], channel: string | null): Promise<Enqueued[]> {
    const created = await this.#enqueueNow(items, channel)
    // Of two with one id, the first is the new one.
    const isNew = items.map(({ intent }) => created.delete(intent.id))
    const others = items.filter((_, i) => isNew[i] === false).map(({ intent }) => intent.id)
    const standing = others.length === 0 ? new Map<string, Seen>() : await readSeen(this.#database, this.#sql, others)
    return inPlace(
      items,
      ({ intent }, i) => {
        if (isNew[i] === true) return enqueuedNow(intent)
        const seen = standing.get(intent.id)
        if (seen === undefined) return null
        const { state, generation, fingerprint } = seen.entry
        return { created: false, state, generation, fingerprint }
      },
      (removed) => this.enqueue(removed, channel),
    )
  }

  /** Writes pending entries in a transaction of their own: the ids of those that are new. */
  async #enqueueNow(items: readonly EnqueueItem[], channel: string | null): Promise<Set<string>> {
    const [only] = items
    const [statement, values] =
      only !== undefined && items.length === 1
        ? [this.#sql.enqueueOne, enqueueOneValues(only, channel)]
        : [this.#sql.enqueue, ownEnqueueValues(items, channel)]
    const rows = await this.#database.write('write an intent', statement, values)
    return new Set(rows.map((row) => row[0] ?? ''))
  }
}

/** How entries stand, by their ids. */
export async function readSeen(
  database: Database,
  sql: Pick<Statements, 'read'>,
  ids: readonly string[],
): Promise<Map<string, Seen>> {
  return byId(await database.read('read entries', sql.read, [ids]))
}

/**
 * What came of each item; where `of` has nothing, what comes of asking `anew`: its entry stood when it was to be created,
 * and was purged before it could be read. The others of its statement must not fail for that: theirs are under way.
 */
async function inPlace<Item, Result>(
  items: readonly Item[],
  of: (item: Item, place: number) => Result | null,
  anew: (removed: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results = items.map(of)
  const removed = items.filter((_, i) => results[i] === null)
  if (removed.length === 0) return results as Result[]
  const others = [...(await anew(removed))]
  return results.map((result) => result ?? (others.shift() as Result))
}
