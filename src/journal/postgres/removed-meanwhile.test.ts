import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../../test/support/servers.js'
import { accepted, beginNew, termsOf, World } from '../conformance/subject.js'
import { type PostgresSubject, postgresSubject } from '../subjects.fixture.js'
import type { QueryConfig } from './client.js'
import { postgresJournal } from './index.js'
import { readEntries } from './sql/read.js'

describe.each(postgresServers())('an entry that is purged between two statements in $name', ({ url }) => {
  const world = new World()
  let subject: PostgresSubject
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
  })
  afterAll(() => subject.close())

  const READ = readEntries('"counterfoil"').text

  /** A journal that finds each of these gone when it first reads how entries stand. */
  function journalThatLoses(ids: readonly string[]) {
    let isGone = false
    const query = async (config: QueryConfig) => {
      if (config.text === READ && !isGone) {
        isGone = true
        await subject.pool.query('DELETE FROM counterfoil.entries WHERE id = ANY($1)', [ids])
      }
      return subject.pool.query(config)
    }
    return postgresJournal({ query, connect: () => subject.pool.connect() }, { listen: false })
  }

  test.each([null, 'customer-1'])(
    'is begun anew with the others, whose begin does not fail (turn: %s)',
    async (turn) => {
      const intents = world.intents(3, { serializeKey: turn })
      const [purged] = intents
      if (purged === undefined) return expect.unreachable()
      await subject.journal.begin([{ intent: purged, terms: termsOf('first') }])
      const journal = journalThatLoses([purged.id])
      const begun = (await journal.begin(intents.map((intent) => ({ intent, terms: termsOf('second') })))).map(accepted)
      expect(begun.map(({ created, entry }) => [created, entry.id])).toEqual(intents.map(({ id }) => [true, id]))
      expect(await subject.journal.read(intents.map(({ id }) => id))).not.toContain(null)
    },
  )

  test('is enqueued anew with the others', async () => {
    const intents = world.intents(3)
    const [purged] = intents
    if (purged === undefined) return expect.unreachable()
    await beginNew(subject.journal, purged, termsOf('first'))
    const journal = journalThatLoses([purged.id])
    const enqueued = await journal.enqueue(
      null,
      intents.map((intent) => ({ intent, notBefore: null })),
    )
    expect(enqueued.map(({ created, state }) => [created, state])).toEqual(intents.map(() => [true, 'pending']))
    expect(await subject.journal.read(intents.map(({ id }) => id))).not.toContain(null)
  })
})
