import { type Enqueued, type Intent, JournalError, type NotBefore, type State } from '../../protocol/index.js'
import type { Clock } from '../../system/index.js'
import { bareArray } from './array-literal.js'
import type { PostgresTransaction } from './client.js'
import { intentColumns, intentValues, ownIntentColumns } from './parameters.js'
import type { Statements } from './statements.js'

/** An intent to enqueue, with its place in the caller's order. */
export interface EnqueueItem {
  readonly intent: Intent
  readonly notBefore: NotBefore | null
  readonly position: number
}

/** The parameters of the statement `enqueue` for whatever driver the caller has; `channel`: where to tell of it. */
function enqueueValues(items: readonly EnqueueItem[], channel: string | null): unknown[] {
  return [
    ...intentColumns(items.map((item) => item.intent)),
    items.map(notBeforeAt),
    items.map(notBeforeIn),
    items.map(({ position }) => position),
    channel,
  ]
}

/** The same for the journal's own driver. */
export function ownEnqueueValues(items: readonly EnqueueItem[], channel: string | null): unknown[] {
  return [
    ...ownIntentColumns(items.map((item) => item.intent)),
    bareArray(items.map(notBeforeAt)),
    bareArray(items.map(notBeforeIn)),
    bareArray(items.map(({ position }) => position)),
    channel,
  ]
}

/** The parameters of `enqueueOne`. */
export function enqueueOneValues(item: EnqueueItem, channel: string | null): unknown[] {
  return [...intentValues(item.intent), notBeforeAt(item), notBeforeIn(item), item.position, channel]
}

// Two columns, since only the database may add a duration to its clock (P3).
function notBeforeAt({ notBefore }: EnqueueItem): number | null {
  return notBefore !== null && 'atMs' in notBefore ? Math.ceil(notBefore.atMs * 1000) : null
}

function notBeforeIn({ notBefore }: EnqueueItem): number | null {
  return notBefore !== null && 'inMs' in notBefore ? Math.ceil(notBefore.inMs * 1000) : null
}

/** While one process enqueues much, it wakes dispatchers no oftener than this: they are awake then, or look soon. */
const WAKE_MS = 100

/**
 * When an enqueueing process wakes the dispatchers that sleep. Not at every commit: a transaction that notifies holds a
 * lock on the whole server's queue while it commits. A wake-up that is left out, or lost with a transaction that rolled
 * back, costs a dispatcher's next poll.
 */
export class WakeUps {
  readonly #channel: string
  readonly #clock: Clock
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(channel: string, clock: Clock) {
    this.#channel = channel
    this.#clock = clock
  }

  /** Where to tell of these entries; null: it need not be told. */
  channelFor(items: readonly EnqueueItem[]): string | null {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#toldAtMs < WAKE_MS || items.every(({ notBefore }) => notBefore !== null)) return null
    this.#toldAtMs = nowMs
    return this.#channel
  }
}

/** Writes pending entries in the caller's transaction, and tells how those stand that exist already. */
export async function enqueueIn(
  tx: PostgresTransaction,
  sql: Pick<Statements, 'enqueue' | 'standing'>,
  { items, channel }: { readonly items: readonly EnqueueItem[]; readonly channel: string | null },
): Promise<Enqueued[]> {
  const { rows } = await tx.query<{ id: string }>(sql.enqueue.text, enqueueValues(items, channel))
  const created = new Set(rows.map((row) => row.id))
  // Of two with one id, the first is the new one.
  const isNew = items.map(({ intent }) => created.delete(intent.id))
  const others = items.filter((_, i) => isNew[i] === false).map(({ intent }) => intent.id)
  const standing = others.length === 0 ? new Map<string, Enqueued>() : await standingIn(tx, sql, others)
  return items.map(({ intent }, i) => {
    if (isNew[i] === true) return enqueuedNow(intent)
    const stands = standing.get(intent.id)
    if (stands === undefined) throw removedMeanwhile(intent.id)
    return stands
  })
}

async function standingIn(
  tx: PostgresTransaction,
  sql: Pick<Statements, 'standing'>,
  ids: readonly string[],
): Promise<Map<string, Enqueued>> {
  const { rows } = await tx.query<Record<'id' | 'state' | 'generation' | 'fingerprint', string>>(sql.standing.text, [
    ids,
  ])
  return new Map(
    rows.map(({ id, state, generation, fingerprint }) => [
      id,
      { created: false, state: state as State, generation: Number(generation), fingerprint },
    ]),
  )
}

export function enqueuedNow({ fingerprint }: Intent): Enqueued {
  return { created: true, state: 'pending', generation: 1, fingerprint }
}

/** The entry was there a moment ago, and is not any more. What was asked for in the same statement may have been written. */
function removedMeanwhile(id: string): JournalError {
  return new JournalError(
    `Entry ${id} was removed while it was asked for, and nothing was written of it. Others that were asked for with it may ` +
      'stand: ask again with the same, and nothing is added twice.',
  )
}
