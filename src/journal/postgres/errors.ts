import { JournalError } from '../../protocol/index.js'

/** The SQLSTATE of an error that the server sent; null where it did not come from the server. */
export function sqlState(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('severity' in error)) return null
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : null
}

/** The statement was undone because others stood in its way: the same statement may be sent again at once. */
export function isContention(error: unknown): boolean {
  // serialization_failure (also CockroachDB's way to ask for a retry), deadlock_detected
  return ['40001', '40P01'].includes(sqlState(error) ?? '')
}

/** The statement gave up waiting for another's transaction, as it was told to. */
export function isBlocked(error: unknown): boolean {
  // lock_not_available
  return sqlState(error) === '55P03'
}

/** The server refused what a row holds: a value, a constraint, a size. Another row of the batch may be fine. */
export function isBadData(error: unknown): boolean {
  // data_exception, cardinality_violation, integrity_constraint_violation, program_limit_exceeded
  return ['22', '21', '23', '54'].includes(sqlState(error)?.slice(0, 2) ?? '')
}

/** Whether the server said so in time: then the statement was rolled back as a whole. */
function isKnownUndone(error: unknown): boolean {
  const state = sqlState(error)
  if (state === null) return false
  // connection_exception, statement_completion_unknown, operator_intervention (a shutdown may come between commit and
  // answer), system and internal errors: nobody can say.
  return !state.startsWith('08') && state !== '40003' && !/^(57P|58|XX)/.test(state)
}

/** Whether the same may work in a moment. */
function isPassing(error: unknown): boolean {
  const state = sqlState(error)
  // connection_exception, transaction_rollback, insufficient_resources, lock_not_available, operator_intervention
  return state === null || /^(08|40|53|55|57|58|25006)/.test(state)
}

/** What a statement does to the journal's rows; `nothing`: it never came to that (a connection that cannot be had). */
export type Doing = 'nothing' | 'reads' | 'writes'

/** The error that the journal throws where the database's was `cause`, while doing `what`. */
export function journalError(what: string, doing: Doing, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause
  if (isBadData(cause)) forgetRow(cause)
  const said = cause instanceof Error ? cause.message : String(cause)
  const options = { cause, transient: isPassing(cause), refused: isBadData(cause) }
  if (doing === 'reads')
    return new JournalError(`The journal could not ${what}: ${said}. Reading again changes nothing.`, options)
  return doing === 'nothing' || isKnownUndone(cause)
    ? new JournalError(`The journal could not ${what}: ${said}. Nothing was written.`, options)
    : new JournalError(
        `The journal could not ${what}: ${said}. It may or may not have been written; read again.`,
        options,
      )
}

/** PostgreSQL quotes the whole row in these fields, and an input does not belong in a log. */
function forgetRow(error: unknown): void {
  if (!(error instanceof Error)) return
  for (const field of ['detail', 'where']) if (field in error) Object.assign(error, { [field]: undefined })
}
