import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import type { Intent } from '../../protocol/index.js'
import { termsOf, World } from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { claimEntry, headEntries } from './sql/claim.js'

/** More than a look has in sight. */
const BACKLOG = 3_000
const OTHERS = 700

describe.each(postgresServers())('turns behind the backlog of one key in $name', ({ url }) => {
  const world = new World()
  const hot = world.intents(BACKLOG, { serializeKey: 'hot' })
  const others = Array.from({ length: OTHERS }, (_, i) => world.intent({ serializeKey: `key-${i}` }))
  let subject: PostgresSubject
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
    const enqueue = (intents: readonly Intent[]) =>
      subject.journal.enqueue(
        null,
        intents.map((intent) => ({ intent, notBefore: null })),
      )
    await enqueue(hot)
    await enqueue(others)
    await subject.pool.query('ANALYZE counterfoil.entries')
  })
  afterAll(() => subject.close())

  const look = (limit: number) => subject.journal.heads([world.effect()], limit)

  test('no key waits for the backlog of another: each is found in some look, and of one key never more than one', async () => {
    const found = new Set<string>()
    for (let looks = 0; looks < 6; looks++) {
      const heads = await look(1_000)
      expect(new Set(heads.map(({ serializeKey }) => serializeKey)).size).toBe(heads.length)
      for (const { id } of heads) found.add(id)
    }
    expect(found).toEqual(new Set([hot[0]?.id, ...others.map(({ id }) => id)]))
  })

  test('the longest due come first, and no more than asked for', async () => {
    expect((await look(5)).map(({ id }) => id)).toContain(hot[0]?.id)
    expect(await look(5)).toHaveLength(5)
  })

  /** How many pages a statement reads. */
  async function pagesOf(text: string, values: unknown[]): Promise<number> {
    const client = await subject.pool.connect()
    try {
      await client.query('BEGIN')
      const { rows } = await client.query({ text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, values })
      const { Plan: plan } = rows[0]['QUERY PLAN'][0]
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  }

  test('a look and a claim read about the keys that they look at, not about all that wait', async () => {
    const { namespace, effect } = world.effect()
    const heads = await pagesOf(headEntries('counterfoil').text, [[namespace], [effect], [''], 32])
    const claim = await pagesOf(claimEntry('counterfoil').text, [hot[0]?.id, 'me', 40_000, 30_000])
    // Each of 512 keys by three pages of an index and one of the table, at most; a page holds eight entries and more.
    expect(heads).toBeLessThan(512 * 2 * 4)
    expect(claim).toBeLessThan(50)
  })

  test('an entry under way keeps the backlog behind it, and hides no other key', async () => {
    const claimed = await subject.journal.claim(hot[0]?.id ?? '', termsOf('me'))
    expect(claimed?.claimed).toBe(true)
    const heads = await look(1_000)
    expect(heads.map(({ serializeKey }) => serializeKey)).not.toContain('hot')
    expect(heads.length).toBeGreaterThan(100)
    expect((await subject.journal.claim(hot[1]?.id ?? '', termsOf('me')))?.claimed).toBe(false)
  })
})
