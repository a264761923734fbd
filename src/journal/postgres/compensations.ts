import {
  admitCompensation,
  type Compensation,
  type CompensationBegun,
  type CompensationEnd,
  type CompensationOrder,
  type CompensationState,
  type CompensationStore,
  nothingUndone,
  type Reason,
  type State,
  stateAfterUndoing,
  type UndoneOperation,
  type UndoneSoFar,
  whyNotCompensable,
  whyRejected,
  withEnded,
  withReserved,
} from '../../protocol/index.js'
import type { PostgresTransaction } from './client.js'
import type { Database } from './database.js'
import { jsonText } from './row.js'
import type { Statement } from './statement.js'
import type { Statements } from './statements.js'

/** Where the compensations of one journal are kept. */
export interface CompensationsAt {
  readonly database: Database
  readonly sql: Statements
  /** The channel on which waiters hear of a change. */
  readonly channel: string
  /** Resolves when the schema is there. */
  readonly prepare: () => Promise<unknown>
}

/** Compensations in rows beside the entries; what may be undone is decided by the protocol, under the operation's row. */
export class PostgresCompensations implements CompensationStore<PostgresTransaction> {
  readonly #at: CompensationsAt

  constructor(at: CompensationsAt) {
    this.#at = at
  }

  async begin(tx: PostgresTransaction, order: CompensationOrder): Promise<CompensationBegun> {
    await this.#at.prepare()
    const { sql } = this.#at
    const { total } = order
    const account = [...nameOf(order), total?.minorUnits ?? null, total?.currency.toLowerCase() ?? null]
    const sofar = undoneOf((await run<UndoneRow>(tx, sql.takeUndone, account))[0])
    const [earlier] = await run<CompensationRow>(tx, sql.readCompensation, [order.undoId])
    if (earlier !== undefined) return { begun: false, earlier: compensationOf(earlier) }
    const problem = order.entryId === null ? null : await this.#problemOf(tx, order.entryId, order.externalId)
    if (problem !== null) return { begun: false, earlier: null, reason: problem }
    const admission = admitCompensation(order, sofar)
    if (!admission.admitted) return { begun: false, earlier: null, reason: admission.reason }
    await this.#reserve(tx, order, admission, sofar)
    return { begun: true, minorUnits: admission.minorUnits }
  }

  async #problemOf(tx: PostgresTransaction, entryId: string, externalId: string): Promise<Reason | null> {
    const [row] = await run<TakenRow>(tx, this.#at.sql.takeEntry, [entryId])
    if (row === undefined) return whyNotCompensable(null, externalId)
    const { state, external_id, is_compact } = row
    return whyNotCompensable({ state, externalId: external_id, isCompact: is_compact === 'true' }, externalId)
  }

  async #reserve(
    tx: PostgresTransaction,
    order: CompensationOrder,
    taken: { readonly minorUnits: number | null; readonly whole: boolean },
    sofar: UndoneSoFar,
  ): Promise<void> {
    const { sql, channel } = this.#at
    await run(tx, sql.writeUndone, [...nameOf(order), ...accountOf(withReserved(sofar, taken))])
    const identity = [order.undoId, order.entryId, order.findingId, taken.minorUnits, taken.whole]
    await run(tx, sql.insertCompensation, [...identity, ...nameOf(order), order.actor, order.reason])
    if (order.entryId === null) return
    await run(tx, sql.writeCompensationState, [order.entryId, 'compensating', null, channel])
  }

  async end(tx: PostgresTransaction, undoId: string, end: CompensationEnd): Promise<void> {
    await this.#at.prepare()
    const { sql } = this.#at
    const refusal = end.undone ? null : end.reason
    const values = [undoId, end.undone ? 'undone' : 'rejected', jsonText(refusal)]
    const [row] = await run<CompensationRow>(tx, sql.endCompensation, values)
    if (row === undefined) return
    const ended = compensationOf(row)
    const before = undoneOf((await run<UndoneRow>(tx, sql.takeUndone, [...nameOf(ended), null, null]))[0])
    const after = withEnded(before, { ...ended, undone: end.undone })
    await run(tx, sql.writeUndone, [...nameOf(ended), ...accountOf(after)])
    if (ended.entryId !== null) await this.#endOfEntry(tx, ended.entryId, after, refusal)
    if (ended.findingId === null) return
    await run(tx, sql.endOfRepair, [ended.findingId, end.undone ? 'repaired' : 'refused', refusal?.message ?? null])
  }

  async #endOfEntry(
    tx: PostgresTransaction,
    entryId: string,
    sofar: UndoneSoFar,
    refusal: Reason | null,
  ): Promise<void> {
    const { sql, channel } = this.#at
    const [row] = await run<TakenRow>(tx, sql.takeEntry, [entryId])
    if (row?.state !== 'compensating') return
    const state = stateAfterUndoing(sofar)
    const reason = state === 'succeeded' && refusal !== null ? whyRejected(refusal) : null
    await run(tx, sql.writeCompensationState, [entryId, state, jsonText(reason), channel])
  }

  async read(undoId: string): Promise<Compensation | null> {
    await this.#at.prepare()
    const { database, sql } = this.#at
    const [row] = await database.read('read a compensation', sql.readCompensation, [undoId])
    if (row === undefined) return null
    const [undo_id, entry_id, namespace, effect, external_id, minor_units, whole, state, finding_id] = row
    return compensationOf({
      undo_id: undo_id ?? '',
      entry_id: entry_id ?? null,
      namespace: namespace ?? '',
      effect: effect ?? '',
      external_id: external_id ?? '',
      minor_units: minor_units ?? null,
      whole: whole ?? '',
      state: state as CompensationState,
      finding_id: finding_id ?? null,
    })
  }

  async undoneOf(operation: UndoneOperation): Promise<UndoneSoFar | null> {
    await this.#at.prepare()
    const { database, sql } = this.#at
    const [row] = await database.read('read what was undone', sql.readUndone, nameOf(operation))
    if (row === undefined) return null
    const [total, currency, reserved, undone, whole] = row
    return undoneOf({
      total: total ?? null,
      currency: currency ?? null,
      reserved: reserved ?? '0',
      undone: undone ?? '0',
      whole: whole as UndoneSoFar['whole'],
    })
  }
}

interface UndoneRow {
  readonly total: string | null
  readonly currency: string | null
  readonly reserved: string
  readonly undone: string
  readonly whole: UndoneSoFar['whole']
}

interface TakenRow {
  readonly state: State
  readonly external_id: string | null
  readonly is_compact: string
}

interface CompensationRow {
  readonly undo_id: string
  readonly entry_id: string | null
  readonly namespace: string
  readonly effect: string
  readonly external_id: string
  readonly minor_units: string | null
  readonly whole: string
  readonly state: CompensationState
  readonly finding_id: string | null
}

async function run<Row>(tx: PostgresTransaction, statement: Statement, values: unknown[]): Promise<Row[]> {
  return (await tx.query<Row>(statement.text, values)).rows
}

function nameOf(operation: UndoneOperation): unknown[] {
  return [operation.namespace, operation.effect, operation.externalId]
}

function accountOf(sofar: UndoneSoFar): unknown[] {
  return [sofar.reservedMinorUnits, sofar.undoneMinorUnits, sofar.whole]
}

function undoneOf(row: UndoneRow | undefined): UndoneSoFar {
  if (row === undefined) return nothingUndone(null)
  const { total, currency } = row
  return {
    total: total === null || currency === null ? null : { minorUnits: Number(total), currency },
    reservedMinorUnits: Number(row.reserved),
    undoneMinorUnits: Number(row.undone),
    whole: row.whole,
  }
}

function compensationOf(row: CompensationRow): Compensation {
  return {
    undoId: row.undo_id,
    entryId: row.entry_id,
    namespace: row.namespace,
    effect: row.effect,
    externalId: row.external_id,
    minorUnits: row.minor_units === null ? null : Number(row.minor_units),
    whole: row.whole === 'true',
    state: row.state,
    findingId: row.finding_id,
  }
}
