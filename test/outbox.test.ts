import { readFileSync } from 'node:fs'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from './support/postgres.js'

/** The examples that run as they are. Prisma's needs its generated client: src/integrations/prisma.test.ts compiles it. */
const LIBRARIES = ['pg', 'postgres-js', 'drizzle', 'kysely', 'knex', 'typeorm', 'mikro-orm', 'sequelize']

interface Example {
  placeOrder(order: { id: string; cents: number }): Promise<void>
  close(): Promise<void>
}

interface Setup {
  readonly pool: Pool
}

describe('the examples of the outbox', () => {
  let database: TestDatabase
  let pool: Pool
  let setup: Setup
  beforeAll(async () => {
    database = await testDatabase()
    process.env.DATABASE_URL = database.connectionString
    pool = new Pool({ connectionString: database.connectionString, max: 2 })
    await pool.query('CREATE TABLE orders (id text PRIMARY KEY, cents integer NOT NULL)')
    setup = (await import('../examples/outbox/counterfoil.js')) as Setup
  })
  afterAll(async () => {
    await setup.pool.end()
    await pool.end()
    await database.drop()
  })

  test.each(LIBRARIES)('%s commits the order with its charge, and neither without the other', async (library) => {
    const file = `../examples/outbox/${library}.ts`
    const { placeOrder, close } = (await import(file)) as Example
    await placeOrder({ id: library, cents: 1250 })
    // The key stands for another amount: the order is not placed twice.
    await pool.query('DELETE FROM orders')
    await expect(placeOrder({ id: library, cents: 9999 })).rejects.toThrow('exists already with another input')
    await close()
    expect((await pool.query('SELECT id FROM orders')).rows).toEqual([])
    const { rows } = await pool.query('SELECT state, input FROM counterfoil.entries WHERE key = $1', [library])
    expect(rows).toEqual([{ state: 'pending', input: { id: library, cents: 1250 } }])
  })
})

describe('docs/outbox.md', () => {
  const text = readFileSync('docs/outbox.md', 'utf8')

  test.each([...LIBRARIES, 'prisma/place-order'])('shows the example of %s to the letter', (library) => {
    const source = readFileSync(`examples/outbox/${library}.ts`, 'utf8')
    const parts = [/import \{ from\w+ \} from '[^']+'\n/, /export async function placeOrder[\s\S]*?\n\}\n/]
    for (const part of parts) expect(text).toContain(part.exec(source)?.[0] ?? `no ${part} in ${library}`)
  })

  test('shows the set-up and the handlers to the letter', () => {
    expect(text).toContain(readFileSync('examples/outbox/counterfoil.ts', 'utf8'))
    const handlers = readFileSync('examples/outbox/settled.ts', 'utf8').matchAll(/async function [\s\S]*?\n\}\n/g)
    expect([...handlers].map(([handler]) => text.includes(handler))).toEqual([true, true, true])
  })

  test('names the versions that package.json asks for, and subpaths that it exports', () => {
    const { peerDependencies, exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      peerDependencies: Record<string, string>
      exports: Record<string, unknown>
    }
    const names = [
      'pg',
      'postgres',
      'drizzle-orm',
      'kysely',
      'knex',
      '@prisma/client',
      'typeorm',
      '@mikro-orm/core',
      'sequelize',
    ]
    const rows = text.split('\n').filter((line) => line.includes('`counterfoil/') && line.startsWith('|'))
    expect(
      rows.map((row) =>
        row
          .split(/(?<!\\)\|/)[2]
          ?.trim()
          .replaceAll('\\', ''),
      ),
    ).toEqual(names.map((name) => peerDependencies[name]))
    const subpaths = rows.map((row) => /`counterfoil\/([\w-]+)`/.exec(row)?.[1])
    for (const subpath of subpaths) expect(Object.keys(exports)).toContain(`./${subpath}`)
  })
})
