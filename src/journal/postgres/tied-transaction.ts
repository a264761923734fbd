import { ConfigurationError } from '../../protocol/index.js'
import type { PostgresTransaction } from './client.js'
import { asText, BEGINNING, ELSEWHERE, onlyIfBegun, type TextStatement } from './tied-statement.js'

/** Runs one statement in the user's transaction and returns its rows. */
export type Run = (statement: TextStatement) => PromiseLike<readonly unknown[]>

/**
 * The journal's view of a transaction that a library opened, for as long as it is open.
 *
 * Most libraries' objects go on working when their transaction is over: each statement in a transaction of its own, or
 * in whatever transaction has the connection by then. Those that know of the end learn of it too late for a statement
 * that nobody awaited. So this asks the server at once when the transaction began (a round trip), and makes every
 * statement fail in any other.
 *
 * @throws {ConfigurationError} from `query`, when the transaction has ended. Nothing was written.
 */
export function transactionOf(run: Run, remedy: string): PostgresTransaction {
  const beginning = beginningOf(run)
  // Whoever queries hears of it.
  beginning.catch(() => undefined)
  return {
    async query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[] }> {
      const statement = onlyIfBegun(asText(text, values), await beginning)
      try {
        return { rows: [...(await run(statement))] as Row[] }
      } catch (error) {
        if (tellsElsewhere(error)) throw notATransaction('The transaction has ended, or there was none.', remedy, error)
        throw error
      }
    },
  }
}

async function beginningOf(run: Run): Promise<string> {
  const [row] = await run(BEGINNING)
  if (typeof row === 'object' && row !== null && 'began' in row && typeof row.began === 'string') return row.began
  throw new ConfigurationError(
    'The library answers in a form that is not known here. Nothing was written. Use one of its drivers for PostgreSQL that docs/outbox.md names.',
  )
}

/**
 * Refuses what is no open transaction.
 *
 * @throws {ConfigurationError}
 */
export function requireTransaction(holds: boolean, problem: string, remedy: string): asserts holds {
  if (!holds) throw notATransaction(problem, remedy)
}

function notATransaction(problem: string, remedy: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `${problem} Nothing was written: outside your transaction, the effect would be made even if that rolls back. ${remedy}`,
    cause === undefined ? {} : { cause },
  )
}

/** The text is our own (see `onlyIfBegun`), however a library wraps the error that carries it. */
function tellsElsewhere(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if (each.message.includes(ELSEWHERE)) return true
  return false
}

/** Whether `value` has a function of this name. */
export function has(value: unknown, name: string): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as Readonly<Record<string, unknown>>)[name] === 'function'
}
