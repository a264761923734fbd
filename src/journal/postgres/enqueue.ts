import { type Enqueued, type Intent, JournalError, type State } from '../../protocol/index.js'
import type { PostgresTransaction } from './client.js'
import { intentColumns } from './parameters.js'
import type { Statements } from './statements.js'

/** An intent to enqueue, with its place in the caller's order. */
export interface EnqueueItem {
  readonly intent: Intent
  readonly notBeforeMs: number | null
  readonly position: number
}

/** The parameters of the statement `enqueue`. */
export function enqueueValues(items: readonly EnqueueItem[]): unknown[] {
  return [
    ...intentColumns(items.map((item) => item.intent)),
    items.map(({ notBeforeMs }) => (notBeforeMs === null ? null : Math.ceil(notBeforeMs * 1000))),
    items.map(({ position }) => position),
  ]
}

/** Writes pending entries in the caller's transaction, and tells how those stand that exist already. */
export async function enqueueIn(
  tx: PostgresTransaction,
  sql: Pick<Statements, 'enqueue' | 'standing'>,
  items: readonly EnqueueItem[],
): Promise<Enqueued[]> {
  const { rows } = await tx.query<{ id: string }>(sql.enqueue.text, enqueueValues(items))
  const created = new Set(rows.map((row) => row.id))
  // Of two with one id, the first is the new one.
  const isNew = items.map(({ intent }) => created.delete(intent.id))
  const others = items.filter((_, i) => isNew[i] === false).map(({ intent }) => intent.id)
  const standing = others.length === 0 ? new Map<string, Enqueued>() : await standingIn(tx, sql, others)
  return items.map(({ intent }, i) => {
    if (isNew[i] === true) return { created: true, state: 'pending', generation: 1, fingerprint: intent.fingerprint }
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

/** The entry was there a moment ago, and is not any more. */
export function removedMeanwhile(id: string): JournalError {
  return new JournalError(`Entry ${id} was removed while it was asked for. Nothing was written; ask again.`)
}
