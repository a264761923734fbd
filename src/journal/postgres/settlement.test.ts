import { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { ConfigurationError, type Entry } from '../../protocol/index.js'
import { beginNew, EXECUTED, readEntry, termsOf, World, writeEvent } from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import { type PostgresTransaction, postgresJournal } from './index.js'

describe.each(postgresServers())('a settled handler in $name', ({ url }) => {
  let subject: PostgresSubject
  let entry: Entry
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
  })
  afterAll(() => subject.close())
  beforeEach(async () => {
    const begun = await beginNew(subject.journal, new World().intent({ hasSettledHandler: true }), termsOf('me'))
    await writeEvent(subject.journal, begun, EXECUTED)
    entry = await readEntry(subject.journal, begun.id)
  })

  const settle = (handler: (tx: PostgresTransaction) => Promise<void>) => subject.journal.settle(entry.id, handler)

  async function expectStillDue(): Promise<void> {
    expect(await readEntry(subject.journal, entry.id)).toEqual(entry)
  }

  test.each(['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN', 'ROLLBACK; BEGIN'])('that sends %s is found out', async (sql) => {
    const settling = settle(async (tx) => {
      await subject.mark(tx, entry.id)
      await tx.query(sql)
    })
    await expect(settling).rejects.toBeInstanceOf(ConfigurationError)
    await expect(settling).rejects.toThrow('ended the transaction')
    await expectStillDue()
  })

  test('that goes on after an SQL error is told that nothing was written', async () => {
    const settling = settle(async (tx) => {
      await subject.mark(tx, entry.id)
      await tx.query('SELECT 1/0').catch(() => undefined)
    })
    await expect(settling).rejects.toThrow('PostgreSQL undoes the whole transaction')
    expect(await subject.marks()).not.toContain(entry.id)
    await expectStillDue()
  })

  test('that guards a failing query by a savepoint of its own is settled', async () => {
    await settle(async (tx) => {
      await subject.mark(tx, entry.id)
      await tx.query('SAVEPOINT own')
      await tx.query('SELECT 1/0').catch(() => undefined)
      await tx.query('ROLLBACK TO SAVEPOINT own')
    })
    expect(await subject.marks()).toContain(entry.id)
  })

  test('that returns before its queries is told so, and nothing is written', async () => {
    let late: Promise<unknown> = Promise.resolve()
    const settling = settle(async (tx) => {
      await subject.mark(tx, entry.id)
      late = tx.query('SELECT pg_sleep(0.05)')
    })
    await expect(settling).rejects.toThrow('still under way')
    await late
    expect(await subject.marks()).not.toContain(entry.id)
    await expectStillDue()
  })

  test.each(['SELECT pg_sleep(60)', 'LOCK TABLE held'])(
    'that hangs in %s is ended by the server, and its connection is free',
    async (sql) => {
      await subject.pool.query('CREATE TABLE IF NOT EXISTS held ()')
      const holder = await subject.pool.connect()
      await holder.query('BEGIN; LOCK TABLE held')
      const settling = subject.journal.settle(
        entry.id,
        async (tx) => {
          await subject.mark(tx, entry.id)
          // Given up by the engine meanwhile; its ROLLBACK stands behind this.
          await Promise.race([tx.query(sql), Promise.reject(new Error('given up'))])
        },
        100,
      )
      await expect(settling).rejects.toThrow('given up')
      await holder.query('ROLLBACK')
      holder.release()
      await subject.journal.settlementFailed(entry.id, 1)
      expect(await subject.marks()).not.toContain(entry.id)
      expect((await readEntry(subject.journal, entry.id)).settlement).toBe('due')
    },
  )

  test('may take as long as the user has set where that is less', async () => {
    const shown: unknown[] = []
    const look = async (tx: PostgresTransaction): Promise<void> => {
      const { rows } = await tx.query<{ shown: string }>("SELECT current_setting('statement_timeout') AS shown")
      shown.push(rows[0]?.shown)
      throw new Error('looked')
    }
    const { connectionString } = subject
    for (const options of ['-c statement_timeout=0', '-c statement_timeout=5s']) {
      const pool = new Pool({ connectionString, max: 1, options })
      const journal = postgresJournal(pool, { listen: false })
      for (const longestMs of [undefined, 90_000, 1_000]) {
        await expect(journal.settle(entry.id, look, longestMs)).rejects.toThrow('looked')
      }
      await pool.end()
    }
    expect(shown).toEqual(['0', '90s', '1s', '5s', '5s', '1s'])
  })

  test('cannot write with its transaction after its end', async () => {
    let kept: PostgresTransaction | undefined
    await settle(async (tx) => {
      kept = tx
    })
    await expect(kept?.query('SELECT 1')).rejects.toThrow('This transaction has ended')
  })

  test('that throws gets its own error back, the very one', async () => {
    const broken = new Error('the handler broke')
    await expect(settle(() => Promise.reject(broken))).rejects.toBe(broken)
    await expectStillDue()
  })

  test('that changes its own entry is told so, and nothing is written', async () => {
    const settling = settle(async (tx) => {
      await tx.query('UPDATE counterfoil.entries SET settlement = $2, due_at = NULL WHERE id = $1', [entry.id, 'done'])
    })
    await expect(settling).rejects.toThrow('changed by its own settled handler')
    await expectStillDue()
  })

  test('may enqueue the next effect, which exists once it is settled', async () => {
    const next = new World().intent()
    await settle(async (tx) => {
      expect(await subject.journal.enqueue(tx, [{ intent: next, notBefore: null }])).toMatchObject([{ created: true }])
    })
    expect((await readEntry(subject.journal, next.id)).state).toBe('pending')
  })
})
