import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { testDatabase } from './postgres.js'
import { natsUrl, postgresServers, rabbitmqUrl, redisUrl } from './servers.js'

describe.each(postgresServers())('a test database on $name', ({ url }) => {
  it('is fresh, can be written, and is gone after drop() even while somebody is connected', async () => {
    const database = await testDatabase(url)
    const pool = new Pool({ connectionString: database.connectionString })
    pool.on('error', () => undefined)
    await pool.query('CREATE TABLE t (n int)')
    const { rows } = await pool.query<{ name: string }>('SELECT current_database() AS name')
    expect(rows[0]?.name).toBe(database.name)
    await database.drop()
    await expect(pool.query('SELECT 1')).rejects.toThrow()
    await pool.end()
  })
})

describe('the services of this machine', () => {
  it('are named by a URL or said to be missing', () => {
    for (const url of [redisUrl(), rabbitmqUrl(), natsUrl()]) {
      if (url !== undefined) expect(new URL(url).port).not.toBe('')
    }
  })
})
