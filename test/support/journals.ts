import { Pool } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { MemoryJournal } from '../../src/journal/memory/index.js'
import { postgresJournal } from '../../src/journal/postgres/index.js'
import type { Journal } from '../../src/protocol/index.js'
import { realClock } from '../../src/system/index.js'
import { type TestDatabase, testDatabase } from './postgres.js'

/** How to get a fresh journal of each kind, by the kind's name; that of PostgreSQL is in a database of the test file's own. */
export function journalsOfEachKind(): Readonly<Record<'the memory journal' | 'PostgreSQL', () => Journal>> {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await testDatabase()
    pool = new Pool({ connectionString: database.connectionString, max: 8 })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })
  let schemas = 0
  return {
    'the memory journal': () => new MemoryJournal({ clock: realClock }) as Journal,
    PostgreSQL: () => postgresJournal(pool, { schema: `fresh_${++schemas}` }) as Journal,
  }
}
