import { JournalError } from '../../protocol/index.js'
import type { Clock } from '../../system/index.js'
import type { PostgresPool, PostgresTransaction } from './client.js'
import { isMigrated, migrate } from './migrations/index.js'

/** How long an enqueueing waits for a connection beside its own on which the tables are made. */
const MIGRATION_WAIT_MS = 10_000

/** The journal's schema in the database, which is brought up to date before first use. */
export interface Schema {
  /** Resolves when the schema is up to date. Where that fails, the next use tries again. */
  ready(): Promise<void>
  /**
   * The same for who holds a transaction, and with it a connection of the pool: it is asked there, since another
   * connection may not be had before that transaction ends, and it would wait for us.
   *
   * @throws {JournalError} the tables are missing, and there was no connection in time on which to make them.
   */
  readyIn(tx: PostgresTransaction): Promise<void>
}

/** A schema that somebody else looks after. */
export const MAINTAINED_ELSEWHERE: Schema = { ready: async () => undefined, readyIn: async () => undefined }

export class MigratedSchema implements Schema {
  readonly #pool: PostgresPool
  readonly #name: string
  readonly #clock: Clock
  #isReady = false
  #migrating: Promise<void> | null = null

  constructor(pool: PostgresPool, name: string, clock: Clock) {
    this.#pool = pool
    this.#name = name
    this.#clock = clock
  }

  async ready(): Promise<void> {
    if (this.#isReady) return
    this.#migrating ??= this.#migrate()
    await this.#migrating
  }

  async readyIn(tx: PostgresTransaction): Promise<void> {
    if (this.#isReady) return
    if (await isMigrated(tx, this.#name)) {
      this.#isReady = true
      return
    }
    const migrated = this.ready().then(() => true)
    // It goes on when we have given up, as soon as there is a connection.
    migrated.catch(() => undefined)
    const over = new AbortController()
    const tooLate = this.#clock.sleep(MIGRATION_WAIT_MS, over.signal).then(() => false)
    try {
      if (!(await Promise.race([migrated, tooLate]))) throw noTables(this.#name)
    } finally {
      over.abort()
    }
  }

  async #migrate(): Promise<void> {
    try {
      await migrate(this.#pool, { schema: this.#name })
      this.#isReady = true
    } finally {
      this.#migrating = null
    }
  }
}

function noTables(schema: string): JournalError {
  return new JournalError(
    `The journal's tables in the schema ${JSON.stringify(schema)} are missing or old, and for ${MIGRATION_WAIT_MS / 1000} s ` +
      'there was no connection on which to make them: each of the pool may be held by a transaction that waits for the ' +
      'tables. Nothing was written. Call `migrate(pool)` or `counterfoil.start()` when your process starts, before its ' +
      'first transaction.',
  )
}
