import { Pool, type PoolClient } from 'pg'
import { testDatabase } from '../../test/support/postgres.js'
import type { Clock } from '../system/index.js'
import type { JournalSubject } from './conformance/index.js'
import { MemoryJournal, type MemoryTransaction } from './memory/index.js'
import { type PostgresJournalOptions, type PostgresTransaction, postgresJournal } from './postgres/index.js'

/** A clock that stands until it is told to move. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000

  advance(ms: number): void {
    this.#nowMs += ms
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  sleep(): Promise<void> {
    throw new Error('Nothing sleeps on this clock.')
  }

  schedule(): () => void {
    throw new Error('Nothing is scheduled on this clock.')
  }

  nextTurn(): void {
    throw new Error('Nothing has a turn on this clock.')
  }
}

export function memorySubject(): JournalSubject<MemoryTransaction> {
  const clock = new ManualClock()
  const journal = new MemoryJournal({ clock })
  const marks: string[] = []
  return {
    journal,
    another: async () => journal,
    transaction: (body) => journal.transaction(body),
    mark: async (tx, label) => tx.onCommit(() => marks.push(label)),
    marks: async () => marks,
    elapse: async (ms) => clock.advance(ms),
    listening: () => Promise.resolve(),
    close: () => journal.close(),
  }
}

export interface PostgresSubject extends JournalSubject<PostgresTransaction> {
  readonly pool: Pool
  readonly connectionString: string
}

/** A journal in a fresh database of the server at `serverUrl`. */
export async function postgresSubject(
  serverUrl: string,
  options: PostgresJournalOptions = {},
): Promise<PostgresSubject> {
  const database = await testDatabase(serverUrl)
  const { connectionString } = database
  const pool = new Pool({ connectionString, max: 6 })
  const pools = [pool]
  pool.on('error', () => undefined)
  await pool.query('CREATE TABLE marks (label text NOT NULL)')
  const journal = postgresJournal(pool, options)
  const journals = [journal]
  return {
    pool,
    connectionString,
    journal,
    another: async () => {
      const own = new Pool({ connectionString, max: 2 })
      own.on('error', () => undefined)
      pools.push(own)
      const other = postgresJournal(own, options)
      journals.push(other)
      return other
    },
    transaction: (body) => inTransaction(pool, body),
    mark: async (tx, label) => {
      await tx.query('INSERT INTO marks (label) VALUES ($1)', [label])
    },
    marks: async () => (await pool.query<{ label: string }>('SELECT label FROM marks')).rows.map((row) => row.label),
    elapse: async (ms) => {
      await pool.query('SELECT pg_sleep($1)', [ms / 1000])
    },
    listening: () => untilListening(pool),
    close: async () => {
      await Promise.all(journals.map((each) => each.close()))
      await Promise.all(pools.map((each) => each.end()))
      await database.drop()
    },
  }
}

export async function inTransaction<Result>(pool: Pool, body: (tx: PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await body(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

/** Until every connection of this database that has sent LISTEN has had its answer. */
async function untilListening(pool: Pool): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %' AND state = 'idle'",
    )
    if ((rowCount ?? 0) > 0) return
  }
}
