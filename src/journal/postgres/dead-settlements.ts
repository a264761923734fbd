import type { DeadSettlements, Entry } from '../../protocol/index.js'
import type { Database } from './database.js'
import { entryOf } from './row.js'
import type { Statements } from './statements.js'

interface Parts {
  readonly database: Database
  readonly sql: Statements
  readonly prepare: () => Promise<unknown>
}

export class PostgresDeadSettlements implements DeadSettlements {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(...[effects, limit]: Parameters<DeadSettlements['list']>): Promise<readonly Entry[]> {
    const { database, sql, prepare } = this.#parts
    await prepare()
    const values = [effects.map(({ namespace }) => namespace), effects.map(({ effect }) => effect), limit]
    return (await database.read('list dead settlements', sql.deadSettlements, values)).map(entryOf)
  }

  async retry(id: string): Promise<boolean> {
    const { database, sql, prepare } = this.#parts
    await prepare()
    return (await database.write('make a settlement due again', sql.retrySettlement, [id])).length === 1
  }
}
