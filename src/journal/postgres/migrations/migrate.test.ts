import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/support/postgres.js'
import { postgresServers } from '../../../../test/support/servers.js'
import { JournalError } from '../../../protocol/index.js'
import { MIGRATIONS, type Migration, migrate, migrateWith } from './index.js'

const LAST = MIGRATIONS.length
const harmless: Migration = {
  version: LAST + 1,
  breaking: false,
  sql: (schema) => `CREATE TABLE ${schema}.later (a int)`,
}
const breaking: Migration = { ...harmless, breaking: true }

describe.each(postgresServers())('migrating in $name', ({ url }) => {
  let database: TestDatabase
  let pool: Pool
  beforeEach(async () => {
    database = await testDatabase(url)
    pool = new Pool({ connectionString: database.connectionString, max: 8 })
  })
  afterEach(async () => {
    await pool.end()
    await database.drop()
  })

  test('the steps are numbered from 1 without a gap', () => {
    expect(MIGRATIONS.map((step) => step.version)).toEqual(MIGRATIONS.map((_, i) => i + 1))
  })

  test('the first use makes the whole schema, and the second finds nothing to do', async () => {
    expect(await migrate(pool)).toEqual({ version: LAST, applied: MIGRATIONS.map((step) => step.version) })
    expect(await migrate(pool)).toEqual({ version: LAST, applied: [] })
  })

  test('of many processes that start at once, each step is made by one, and all go on', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => migrate(pool)))
    expect(results.flatMap((each) => each.applied).sort((a, b) => a - b)).toEqual(
      MIGRATIONS.map((step) => step.version),
    )
    expect(results.map((each) => each.version)).toEqual(results.map(() => LAST))
  })

  test('many journals live in one database, each in its schema, whatever its name', async () => {
    for (const schema of ['one', 'Two "quoted" names', 'drei-ö']) {
      expect((await migrate(pool, { schema })).applied).toHaveLength(LAST)
    }
    await expect(migrate(pool, { schema: '' })).rejects.toThrow('empty')
    await expect(migrate(pool, { schema: 'x'.repeat(64) })).rejects.toThrow('63 bytes')
  })

  test('a step that fails leaves the schema as it was', async () => {
    await migrate(pool)
    const broken: Migration = { ...harmless, sql: (schema) => `CREATE TABLE ${schema}.half (a int); SELECT 1/0` }
    await expect(migrateWith(pool, 'counterfoil', [...MIGRATIONS, broken])).rejects.toThrow(
      /division by zero.*Nothing was written/,
    )
    expect((await pool.query("SELECT to_regclass('counterfoil.half') AS made")).rows).toEqual([{ made: null }])
    expect((await migrate(pool)).version).toBe(LAST)
  })

  test('a journal with entries whose ids are of another form is refused whole: they would not be found, and done again', async () => {
    await migrateWith(pool, 'former', MIGRATIONS.slice(0, 15))
    await pool.query(
      `INSERT INTO former.entries (id, fence, created_at, updated_at, due_at, attempts, generation, state, settlement,
         namespace, effect, key, reference, fingerprint, input)
       VALUES (gen_random_uuid(), 0, now(), now(), now(), 0, 1, 'pending', 'none', 'n', 'e', 'k', 'r', 'f', '{}')`,
    )
    await expect(migrate(pool, { schema: 'former' })).rejects.toThrow(/before the first release.*another schema/s)
    expect((await migrateWith(pool, 'former', MIGRATIONS.slice(0, 15))).version).toBe(15)
    await pool.query('DELETE FROM former.entries')
    expect((await migrate(pool, { schema: 'former' })).version).toBe(LAST)
  })

  test('an older program goes on with a newer schema that does it no harm, and refuses one that would', async () => {
    await migrateWith(pool, 'harmless', [...MIGRATIONS, harmless])
    expect(await migrate(pool, { schema: 'harmless' })).toEqual({ version: LAST + 1, applied: [] })
    await migrateWith(pool, 'breaking', [...MIGRATIONS, breaking])
    const refused = migrate(pool, { schema: 'breaking' })
    await expect(refused).rejects.toBeInstanceOf(JournalError)
    await expect(refused).rejects.toMatchObject({ transient: false })
    await expect(refused).rejects.toThrow(`version ${LAST + 1}; this program knows ${LAST}`)
  })
})

describe('a role without the right to create anything', () => {
  let database: TestDatabase
  let pool: Pool
  beforeAll(async () => {
    database = await testDatabase()
    pool = new Pool({ connectionString: database.connectionString, max: 1 })
  })
  afterAll(async () => {
    await pool.query('RESET ROLE; DROP OWNED BY humble; DROP ROLE humble')
    await pool.end()
    await database.drop()
  })

  test('may start on a schema that is up to date, and is told so where it is not', async () => {
    await pool.query('CREATE ROLE humble')
    await pool.query('SET ROLE humble')
    const refused = migrate(pool)
    await expect(refused).rejects.toMatchObject({ code: 'journal', transient: false })
    await expect(refused).rejects.toThrow('permission denied')
    await pool.query('RESET ROLE')
    await migrate(pool)
    await pool.query('GRANT USAGE ON SCHEMA counterfoil TO humble; GRANT SELECT ON counterfoil.migrations TO humble')
    await pool.query('SET ROLE humble')
    expect(await migrate(pool)).toEqual({ version: LAST, applied: [] })
  })
})
