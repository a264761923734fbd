import type { PostgresTransaction } from '../journal/postgres/index.js'
import { ConfigurationError } from '../protocol/index.js'
import { asText, type TextStatement } from './statement.js'

/** Runs one statement in the user's transaction and returns its rows. */
export type Run = (statement: TextStatement) => PromiseLike<readonly unknown[]>

/** The journal's view of a transaction that a library opened. */
export function transactionOf(run: Run): PostgresTransaction {
  return {
    async query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[] }> {
      const rows = await run(asText(text, values))
      return { rows: [...rows] as Row[] }
    },
  }
}

/**
 * Refuses what is no open transaction.
 *
 * @throws {ConfigurationError}
 */
export function requireTransaction(holds: boolean, problem: string, remedy: string): asserts holds {
  if (!holds) throw notATransaction(problem, remedy)
}

/** SQL that fails outside a transaction block and changes nothing inside one. Without parameters, it is one round trip. */
const PROBE = 'SAVEPOINT counterfoil_joined; RELEASE SAVEPOINT counterfoil_joined'

/**
 * Asks PostgreSQL whether a transaction is open, where the library cannot tell that one has ended: its object goes on
 * working then, and each statement commits by itself. It costs a round trip.
 *
 * @throws {ConfigurationError} when none is.
 */
export async function requireOpen(
  send: (sql: string) => PromiseLike<unknown>,
  problem: string,
  remedy: string,
): Promise<void> {
  try {
    await send(PROBE)
  } catch (error) {
    // no_active_sql_transaction
    if (sqlStateOf(error) === '25P01') throw notATransaction(problem, remedy, error)
    throw error
  }
}

function notATransaction(problem: string, remedy: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `${problem} Nothing was written: outside your transaction, the effect would be made even if that rolls back. ${remedy}`,
    cause === undefined ? {} : { cause },
  )
}

/** The SQLSTATE of a driver's error, or of the one that it was wrapped around. */
function sqlStateOf(error: unknown): unknown {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ('code' in each && typeof each.code === 'string') return each.code
  }
  return undefined
}

/** Whether `value` has a function of this name. */
export function has(value: unknown, name: string): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as Readonly<Record<string, unknown>>)[name] === 'function'
}
