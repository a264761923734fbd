import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { JournalError, transition } from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  EXECUTED,
  holderOf,
  readEntry,
  termsOf,
  toMicros,
  World,
  writeEvent,
} from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { postgresJournal } from './index.js'

describe.each(postgresServers())('statements killed half-way in $name', ({ url }) => {
  let subject: PostgresSubject
  const world = new World()
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
  })
  afterAll(() => subject.close())

  /** Ends the connection whose statement waits for a lock, once it does. */
  async function killWaiting(): Promise<void> {
    for (;;) {
      const { rowCount } = await subject.pool.query(
        // It waits until they are gone: what they had locked, others pass over.
        `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%counterfoil%'`,
      )
      if ((rowCount ?? 0) > 0) return
    }
  }

  /** Runs `body` while another transaction holds what `lock` locks. */
  async function whileLocked(lock: string, values: unknown[], body: () => Promise<void>): Promise<void> {
    const client = await subject.pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(lock, values)
      await body()
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  }

  async function expectBroken(answer: Promise<unknown>): Promise<void> {
    await expect(answer).rejects.toBeInstanceOf(JournalError)
    await expect(answer).rejects.toMatchObject({ transient: true })
    await expect(answer).rejects.toThrow('may or may not have been written; read again')
  }

  test('intents of a killed statement are not there, none of them', async () => {
    const [first, blocked, last] = world.intents(3)
    if (first === undefined || blocked === undefined || last === undefined) throw new Error('three intents')
    await subject.transaction(async (tx) => {
      await subject.journal.enqueue(tx, [{ intent: blocked, notBefore: null }])
      const beginning = subject.journal.begin(
        [first, blocked, last].map((intent) => ({ intent, terms: termsOf('me') })),
      )
      const broken = expectBroken(beginning)
      await killWaiting()
      await broken
    })
    expect(await subject.journal.read([first.id, last.id])).toEqual([null, null])
    expect((await readEntry(subject.journal, blocked.id)).state).toBe('pending')
    const again = await subject.journal.begin([first, last].map((intent) => ({ intent, terms: termsOf('me') })))
    expect(again.map((each) => accepted(each).created)).toEqual([true, true])
  })

  test('outcomes of a killed statement are not there, none of them, and may be written again', async () => {
    const entries = await Promise.all(
      world.intents(3).map((intent) => beginNew(subject.journal, intent, termsOf('me'))),
    )
    const writes = entries.map((entry) => ({ ...holderOf(entry), change: transition(entry, EXECUTED) }))
    const ids = entries.map((entry) => entry.id)
    await whileLocked('SELECT 1 FROM counterfoil.entries WHERE id = $1 FOR UPDATE', [ids[1]], async () => {
      const broken = expectBroken(subject.journal.write(writes))
      await killWaiting()
      await broken
    })
    const after = await subject.journal.read(ids)
    expect(after.map((seen) => seen?.entry)).toEqual(entries.map(toMicros))
    const again = await subject.journal.write(writes)
    expect(again.map((each) => accepted(each).applied)).toEqual([true, true, true])
  })

  test('a claim that was killed took nothing', async () => {
    const entry = await beginNew(subject.journal, world.intent(), termsOf('lost', { leaseMs: 1 }))
    await subject.elapse(5)
    await whileLocked('SELECT 1 FROM counterfoil.entries WHERE id = $1 FOR UPDATE', [entry.id], async () => {
      const broken = expectBroken(subject.journal.claim(entry.id, termsOf('me')))
      await killWaiting()
      await broken
    })
    expect(await readEntry(subject.journal, entry.id)).toEqual(toMicros(entry))
  })

  test('a lost entry is still found when the statement that looked for it was killed', async () => {
    const entry = await beginNew(subject.journal, world.intent({ effect: 'swept' }), termsOf('lost', { leaseMs: 1 }))
    await subject.elapse(5)
    await whileLocked('SELECT 1 FROM counterfoil.entries WHERE id = $1 FOR UPDATE', [entry.id], async () => {
      const broken = expectBroken(subject.journal.claimDue([world.effect('swept')], 5))
      await killWaiting()
      await broken
    })
    const found = await subject.journal.claimDue([world.effect('swept')], 5)
    expect(found.map((each) => each.entry.id)).toEqual([entry.id])
  })

  test.each([
    { when: 'while its handler writes', handlerGoesOn: false },
    { when: 'between its handler and the commit', handlerGoesOn: true },
  ])('a settlement that was killed $when has written nothing and is due as before', async ({ handlerGoesOn }) => {
    const begun = await beginNew(subject.journal, world.intent({ hasSettledHandler: true }), termsOf('me'))
    await writeEvent(subject.journal, begun, EXECUTED)
    const entry = await readEntry(subject.journal, begun.id)
    const settling = subject.journal.settle(entry.id, async (tx) => {
      await subject.mark(tx, entry.id)
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      await subject.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
      if (!handlerGoesOn) await tx.query('SELECT 1')
    })
    if (handlerGoesOn) await expectBroken(settling)
    else await expect(settling).rejects.toThrow(/terminat|connection error/)
    expect(await subject.marks()).not.toContain(entry.id)
    expect(await readEntry(subject.journal, entry.id)).toEqual(entry)
    expect(await subject.journal.settle(entry.id, (tx) => subject.mark(tx, entry.id))).toEqual({ ran: true })
    expect((await subject.marks()).filter((label) => label === entry.id)).toHaveLength(1)
  })

  test('a journal whose database is away says so, and works when it is back', async () => {
    const pool = new Pool({ host: '127.0.0.1', port: 1, max: 1 })
    const away = postgresJournal(pool, { listen: false })
    const reading = away.read([world.intent().id])
    await expect(reading).rejects.toBeInstanceOf(JournalError)
    await expect(reading).rejects.toMatchObject({ transient: true, cause: { code: 'ECONNREFUSED' } })
    await pool.end()
  })
})
