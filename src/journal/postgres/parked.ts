import type { Entry, ParkedEntries } from '../../protocol/index.js'
import type { Database } from './database.js'
import { entryOf } from './row.js'
import type { Statements } from './statements.js'

interface Parts {
  readonly database: Database
  readonly sql: Statements
  readonly prepare: () => Promise<unknown>
}

export class PostgresParkedEntries implements ParkedEntries {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(...[effects, limit, after]: Parameters<ParkedEntries['list']>): Promise<readonly Entry[]> {
    const { database, sql, prepare } = this.#parts
    await prepare()
    const names = [effects.map(({ namespace }) => namespace), effects.map(({ effect }) => effect)]
    const behind = after === null ? [null, null] : [microsOf(after.updatedAtMs), after.id]
    return (await database.read('list parked entries', sql.parked, [...names, ...behind, limit])).map(entryOf)
  }
}

/** A time as whole microseconds, as PostgreSQL keeps it. */
function microsOf(timeMs: number): number {
  return Math.round(timeMs * 1000)
}
