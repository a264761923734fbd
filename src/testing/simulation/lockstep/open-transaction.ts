import type { PostgresTransaction } from '../../../journal/postgres/index.js'
import type { Entry, Journal } from '../../../protocol/index.js'

/** A transaction that stays open until it is told how to end. Each end says how it came out. */
export interface OpenTransaction {
  readonly tx: PostgresTransaction
  /** What is settled in it. */
  readonly entry: Entry | null
  commit(): Promise<string>
  rollback(): Promise<string>
}

export type Opening = OpenTransaction | { readonly refused: string }

/** Thrown in a transaction so that it is rolled back. */
class RolledBack extends Error {}

type Work = (tx: PostgresTransaction, entry: Entry | null) => Promise<void>

export function openTransaction(journal: Journal<PostgresTransaction>): Promise<Opening> {
  return open((work) => journal.transaction((tx) => work(tx, null)))
}

export function openSettlement(journal: Journal<PostgresTransaction>, id: string): Promise<Opening> {
  return open((work) => journal.settle(id, work))
}

function open(start: (work: Work) => Promise<unknown>): Promise<Opening> {
  return new Promise((resolve) => {
    const ended = start(
      (tx, entry) =>
        new Promise((commit, abort) => {
          const end = async (how: () => void): Promise<string> => {
            how()
            return await over
          }
          const rollback = (): Promise<string> => end(() => abort(new RolledBack()))
          resolve({ tx, entry, commit: () => end(commit), rollback })
        }),
    )
    const over = ended.then(
      () => 'committed',
      (error: unknown) => (error instanceof RolledBack ? 'rolled_back' : `throws ${String(error)}`),
    )
    // Too late to be heard where it has begun.
    ended.then(
      (result) => resolve({ refused: JSON.stringify(result) }),
      (error: unknown) => resolve({ refused: String(error) }),
    )
  })
}
