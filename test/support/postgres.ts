import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Pool } from 'pg'
import { inject } from 'vitest'
import { migrate } from '../../src/journal/postgres/index.js'

export interface TestDatabase {
  readonly connectionString: string
  readonly name: string
  /** Drops it, whoever is still connected. */
  drop(): Promise<void>
}

/** A fresh, empty database for one test file, on the PostgreSQL of this test run or on the server at `serverUrl`. */
export async function testDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const name = `counterfoil_test_${randomBytes(6).toString('hex')}`
  await runOn(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    connectionString: url.href,
    name,
    drop: () => drop(serverUrl, name),
  }
}

/** Sessions that are just ending get so long: a forced drop would make an error of their goodbye. */
const GOODBYE_MS = 300

async function drop(serverUrl: string, name: string): Promise<void> {
  const gone = `SELECT FROM pg_stat_activity WHERE datname = '${name}'`
  await runOn(serverUrl, async (client) => {
    for (let leftMs = GOODBYE_MS; leftMs > 0 && (await client.query(gone)).rowCount !== 0; leftMs -= 10) await sleep(10)
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  })
}

async function runOn(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** A fresh database with the journal's tables, and its one connection. */
export interface MigratedDatabase {
  readonly pool: Pool
  close(): Promise<void>
}

export async function migratedDatabase(): Promise<MigratedDatabase> {
  const database = await testDatabase()
  const pool = new Pool({ connectionString: database.connectionString, max: 1 })
  await migrate(pool)
  return {
    pool,
    close: async () => {
      await pool.end()
      await database.drop()
    },
  }
}
