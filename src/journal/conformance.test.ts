import { afterAll, beforeAll, describe, test } from 'vitest'
import { postgresServers } from '../../test/support/servers.js'
import { journalConformance } from './conformance/index.js'
import { memorySubject, type PostgresSubject, postgresSubject } from './subjects.fixture.js'

describe('the journal in memory', () => {
  const subject = memorySubject()
  for (const { name, run } of journalConformance(() => subject)) test(name, run)
})

describe.each(postgresServers())('the journal in $name', ({ url }) => {
  describe.each([
    { mode: 'as it comes', options: {} },
    { mode: 'with prepared statements and without LISTEN', options: { preparedStatements: true, listen: false } },
  ])('$mode', ({ options }) => {
    let subject: PostgresSubject
    beforeAll(async () => {
      const made = await postgresSubject(url, options)
      subject = 'listen' in options ? { ...made, listening: null } : made
    })
    afterAll(() => subject.close())
    for (const { name, run } of journalConformance(() => subject)) test(name, run)
  })
})
