import assert from 'node:assert/strict'
import type { Event, Intent, Journal } from '../../protocol/index.js'
import { accepted, type ConformanceCase, EXECUTED, REJECTED, readEntry, termsOf, writeEvent } from './subject.js'

/** Effects of one `serializeKey`: one at a time, in the order of their enqueueing. */
export function turnCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'entries of one serializeKey are taken one at a time, in the order of their enqueueing',
      run: async ({ journal }, world) => {
        const inLine = Array.from({ length: 5 }, () => world.intent({ serializeKey: 'customer-1' }))
        const other = world.intent({ serializeKey: 'customer-2' })
        await enqueueAll(journal, inLine.slice(0, 3))
        await enqueueAll(journal, [...inLine.slice(3), other])
        assert.deepEqual(await headsOf(journal, [other, ...inLine]), new Set([inLine[0]?.id, other.id]))
        for (const [i, intent] of inLine.entries()) {
          for (const later of inLine.slice(i + 1)) {
            assert.equal((await journal.claim(later.id, termsOf('early')))?.claimed, false, 'not its turn')
          }
          const claimed = await journal.claim(intent.id, termsOf('me'))
          assert.equal(claimed?.claimed, true)
          assert.ok(
            !(await headsOf(journal, inLine)).has(inLine[i + 1]?.id ?? ''),
            'the next waits while this one is executing',
          )
          await writeEvent(journal, claimed.entry, EXECUTED)
        }
      },
    },
    {
      name: 'an entry in doubt keeps its place, and a parked one gives way',
      run: async ({ journal }, world) => {
        const [first, second] = [
          world.intent({ serializeKey: 'customer-3' }),
          world.intent({ serializeKey: 'customer-3' }),
        ]
        await enqueueAll(journal, [first, second])
        const claimed = await journal.claim(first.id, termsOf('me'))
        assert.equal(claimed?.claimed, true)
        await writeEvent(journal, claimed.entry, DUE_AT_ONCE)
        assert.equal((await journal.claim(second.id, termsOf('me')))?.claimed, false)
        const again = await journal.claim(first.id, termsOf('me'))
        assert.equal(again?.entry.state, 'in_doubt')
        await writeEvent(journal, again.entry, {
          type: 'parked',
          reason: { code: 'no_way_to_know', message: 'nobody can tell' },
          knownAbsent: false,
        })
        assert.equal((await journal.claim(second.id, termsOf('me')))?.claimed, true)
      },
    },
    {
      name: 'a new generation takes its place behind what was waiting when it was asked for',
      run: async ({ journal, elapse }, world) => {
        const serializeKey = 'customer-5'
        const [renewed, waiting] = [world.intent({ serializeKey }), world.intent({ serializeKey })]
        await enqueueAll(journal, [renewed, waiting])
        const claimed = await journal.claim(renewed.id, termsOf('me'))
        assert.equal(claimed?.claimed, true)
        await writeEvent(journal, claimed.entry, REJECTED)
        await elapse(10)
        const { effect, key } = renewed
        const next = world.intent({ effect, key, generation: 2, serializeKey })
        const begun = await journal.renew({ intent: next, terms: termsOf('me') })
        assert.equal(begun?.created, true)
        assert.equal(begun.entry.state, 'pending')
        assert.equal((await journal.claim(next.id, termsOf('me')))?.claimed, false, 'the other waits for longer')
        const taken = await journal.claim(waiting.id, termsOf('me'))
        assert.equal(taken?.claimed, true)
        await writeEvent(journal, taken.entry, EXECUTED)
        assert.equal((await journal.claim(next.id, termsOf('me')))?.claimed, true)
      },
    },
    {
      name: 'what has been begun is taken before what has not, however long that has been due',
      run: async ({ journal }, world) => {
        const backlog = Array.from({ length: 5 }, () => world.intent())
        const doubtful = world.intent()
        await enqueueAll(journal, [...backlog, doubtful])
        const claimed = await journal.claim(doubtful.id, termsOf('me'))
        assert.equal(claimed?.claimed, true)
        await writeEvent(journal, claimed.entry, DUE_AT_ONCE)
        const taken = await journal.claimDue([world.effect()], 1)
        assert.deepEqual(
          taken.map(({ entry }) => entry.id),
          [doubtful.id],
        )
        const rest = await journal.claimDue([world.effect()], 10)
        assert.deepEqual(new Set(rest.map(({ entry }) => entry.id)), new Set(backlog.map(({ id }) => id)))
      },
    },
    {
      name: 'a new intent with a serializeKey waits for its turn, and claimDue leaves it to those who keep turns',
      run: async ({ journal }, world) => {
        const intent = world.intent({ serializeKey: 'customer-4' })
        const [begun] = await journal.begin([{ intent, terms: termsOf('me') }])
        assert.equal(accepted(begun).created, true)
        assert.equal(accepted(begun).entry.state, 'pending')
        const { namespace, effect } = intent
        assert.deepEqual(await journal.claimDue([{ namespace, effect, ...termsOf('me') }], 100), [])
        assert.equal((await readEntry(journal, intent.id)).state, 'pending')
        assert.equal((await journal.claim(intent.id, termsOf('me')))?.claimed, true)
      },
    },
  ]
}

const DUE_AT_ONCE: Event = {
  type: 'attempt_ended',
  outcome: { kind: 'unknown', reason: { code: 'reset', message: 'The answer was lost.' }, keySpent: false },
  callOver: true,
  retryInMs: 0,
  maxAttempts: 10,
}

async function enqueueAll<Tx>(journal: Journal<Tx>, intents: readonly Intent[]): Promise<void> {
  await journal.transaction((tx) =>
    journal.enqueue(
      tx,
      intents.map((intent) => ({ intent, notBefore: null })),
    ),
  )
}

async function headsOf<Tx>(journal: Journal<Tx>, intents: readonly Intent[]): Promise<Set<string>> {
  const effects = intents.map(({ namespace, effect }) => ({ namespace, effect }))
  const distinct = [...new Map(effects.map((each) => [`${each.namespace} ${each.effect}`, each])).values()]
  return new Set((await journal.heads(distinct, 100)).map((head) => head.id))
}
