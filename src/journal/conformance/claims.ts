import assert from 'node:assert/strict'
import { claim, type Entry, type Seen } from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  type ConformanceCase,
  EXECUTED,
  type JournalSubject,
  LONG_MS,
  readEntry,
  termsOf,
  toMicros,
  UNKNOWN,
  type World,
  writeEvent,
} from './subject.js'

async function enqueueAll<Tx>(subject: JournalSubject<Tx>, intents: ReturnType<World['intents']>): Promise<void> {
  const items = intents.map((intent) => ({ intent, notBefore: null }))
  await subject.transaction((tx) => subject.journal.enqueue(tx, items))
}

/** Taking entries: by id, and what is due. */
export function claimCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'a pending entry is taken for its call, exactly as the protocol says',
      run: async (subject, world) => {
        const intent = world.intent()
        await enqueueAll(subject, [intent])
        const before = await readEntry(subject.journal, intent.id)
        const taken = await subject.journal.claim(intent.id, termsOf('me'))
        assert.equal(taken?.claimed, true)
        if (taken === null) return
        assert.deepEqual(toMicros(taken.entry), toMicros(claim(before, termsOf('me'), taken.nowMs)))
        assert.deepEqual(await readEntry(subject.journal, intent.id), taken.entry)
      },
    },
    {
      name: 'an entry with an unexpired lease is never taken, and who asks is told how it stands',
      run: async ({ journal }, world) => {
        const entry = await beginNew(journal, world.intent(), termsOf('holder'))
        const taken = await journal.claim(entry.id, termsOf('other'))
        assert.equal(taken?.claimed, false)
        assert.deepEqual(taken?.entry, toMicros(entry))
        assert.deepEqual(await journal.claimDue([world.effect()], 10), [])
      },
    },
    {
      name: 'a lost call is in doubt for whoever takes it by its id',
      run: async ({ journal, elapse }, world) => {
        const entry = await beginNew(journal, world.intent(), termsOf('lost', { leaseMs: 1, timeoutMs: 1 }))
        await elapse(5)
        const taken = await journal.claim(entry.id, termsOf('me'))
        assert.equal(taken?.claimed, true)
        if (taken === null) return
        assert.deepEqual(toMicros(taken.entry), toMicros(claim(entry, termsOf('me'), taken.nowMs)))
        assert.equal(taken.entry.state, 'in_doubt')
      },
    },
    {
      name: 'a lost call is found among what is due, and each one once',
      run: async ({ journal, elapse }, world) => {
        const intents = world.intents(7)
        const lost = await journal.begin(intents.map((intent) => ({ intent, terms: termsOf('lost', { leaseMs: 1 }) })))
        const held = await beginNew(journal, world.intent(), termsOf('holder'))
        const ended = await beginNew(journal, world.intent(), termsOf('ended', { leaseMs: 1 }))
        await writeEvent(journal, ended, EXECUTED)
        await elapse(5)
        const found: Seen[] = []
        for (let round = 0; round < 4; round++) found.push(...(await journal.claimDue([world.effect()], 3)))
        assert.deepEqual(found.map((each) => each.entry.id).sort(), lost.map((each) => accepted(each).entry.id).sort())
        for (const { entry, nowMs } of found) {
          const before = accepted(lost.find((each) => accepted(each).entry.id === entry.id)).entry
          assert.deepEqual(toMicros(entry), toMicros(claim(before, termsOf('worker'), nowMs)))
        }
        assert.deepEqual(await readEntry(journal, held.id), toMicros(held))
      },
    },
    {
      name: 'a lost call is found whatever its process began and ended before and after',
      run: async ({ journal, elapse }, world) => {
        const lost: Entry[] = []
        for (let round = 0; round < 30; round++) {
          const batch = world.intents(1 + (round % 3))
          const terms = termsOf('process', { leaseMs: 1, timeoutMs: 1 })
          const begun = (await journal.begin(batch.map((intent) => ({ intent, terms })))).map(
            (each) => accepted(each).entry,
          )
          for (const [i, entry] of begun.entries()) {
            if ((round + i) % 4 === 0) lost.push(entry)
            else await writeEvent(journal, entry, EXECUTED)
          }
        }
        await elapse(5)
        const found = await journal.claimDue([world.effect()], 100)
        assert.deepEqual(found.map((each) => each.entry.id).sort(), lost.map((entry) => entry.id).sort())
      },
    },
    {
      name: 'a lost call is found when its own lease is over, whatever longer ones were begun with it',
      run: async ({ journal, elapse }, world) => {
        const [short, long] = [world.intent(), world.intent()]
        await journal.begin([
          { intent: short, terms: termsOf('lost', { leaseMs: 1, timeoutMs: 1 }) },
          { intent: long, terms: termsOf('lost') },
        ])
        await elapse(5)
        const found = await journal.claimDue([world.effect()], 10)
        assert.deepEqual(
          found.map((each) => each.entry.id),
          [short.id],
        )
      },
    },
    {
      name: 'an entry is not taken before it is due again',
      run: async ({ journal, elapse }, world) => {
        const soon = await beginNew(journal, world.intent(), termsOf('me'))
        const late = await beginNew(journal, world.intent(), termsOf('me'))
        await writeEvent(journal, soon, { ...UNKNOWN, retryInMs: 1 })
        await writeEvent(journal, late, UNKNOWN)
        await elapse(5)
        const found = await journal.claimDue([world.effect()], 10)
        assert.deepEqual(
          found.map((each) => each.entry.id),
          [soon.id],
        )
        assert.equal((await journal.claim(late.id, termsOf('me')))?.claimed, false)
      },
    },
    {
      name: 'an entry at rest is never taken',
      run: async ({ journal, elapse }, world) => {
        const entry = await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me', { leaseMs: 1 }))
        await writeEvent(journal, entry, EXECUTED)
        await elapse(5)
        assert.equal((await journal.claim(entry.id, termsOf('me')))?.claimed, false)
        assert.deepEqual(await journal.claimDue([world.effect()], 10), [])
      },
    },
    {
      name: 'there is nothing to take where there is no entry',
      run: async ({ journal }, world) => {
        assert.equal(await journal.claim(world.intent().id, termsOf('me')), null)
      },
    },
    {
      name: 'what has been due the longest is taken first, never more than asked for',
      run: async (subject, world) => {
        const intents = world.intents(6)
        for (const intent of intents) {
          await enqueueAll(subject, [intent])
          await subject.elapse(2)
        }
        const first = await subject.journal.claimDue([world.effect()], 4)
        assert.deepEqual(
          first.map((each) => each.entry.key).sort(),
          intents.slice(0, 4).map((intent) => intent.key),
        )
        assert.equal((await subject.journal.claimDue([world.effect()], 4)).length, 2)
      },
    },
    {
      name: 'what has been begun comes first, unless what is fresh was asked for first',
      run: async (subject, world) => {
        const { journal } = subject
        const [begun, fresh] = [world.intents(2), world.intents(3).slice(2)]
        for (const intent of begun) {
          const entry = await beginNew(journal, intent, termsOf('before'))
          await writeEvent(journal, entry, { ...UNKNOWN, retryInMs: 0 })
        }
        await enqueueAll(subject, fresh)
        const keysOf = (taken: readonly Seen[]) => taken.map(({ entry }) => entry.key).sort()
        const keys = (intents: typeof begun) => intents.map(({ key }) => key)
        assert.deepEqual(keysOf(await journal.claimDue([world.effect()], 1, 'fresh')), keys(fresh))
        assert.deepEqual(keysOf(await journal.claimDue([world.effect()], 5, 'fresh')), keys(begun))
      },
    },
    {
      name: 'each effect is taken on its own terms, and one that is not asked for is left alone',
      run: async (subject, world) => {
        const named = (effect: string) => world.intents(3, { effect })
        await enqueueAll(subject, [...named('charge'), ...named('mail'), ...named('unknown-here')])
        const effects = [
          { ...world.effect('charge'), ...termsOf('a', { leaseMs: 1000, timeoutMs: 500 }) },
          { ...world.effect('mail'), ...termsOf('b', { leaseMs: 2000, timeoutMs: 1500 }) },
        ]
        const taken = await subject.journal.claimDue(effects, 100)
        assert.equal(taken.length, 6)
        for (const { entry, nowMs } of taken) {
          const terms = effects.find((each) => each.effect === entry.effect)
          assert.equal(entry.owner, terms?.owner)
          assert.equal(
            toMicros(entry).leaseUntilMs,
            toMicros({ ...entry, leaseUntilMs: nowMs + (terms?.leaseMs ?? 0) }).leaseUntilMs,
          )
          assert.equal(
            toMicros(entry).lastDeadlineAtMs,
            toMicros({ ...entry, lastDeadlineAtMs: nowMs + (terms?.timeoutMs ?? 0) }).lastDeadlineAtMs,
          )
        }
      },
    },
    {
      name: 'of many that take what is due at once, each entry goes to exactly one',
      run: async (subject, world) => {
        const intents = world.intents(60)
        await enqueueAll(subject, intents.slice(0, 40))
        const terms = termsOf('lost', { leaseMs: 1, timeoutMs: 1 })
        await subject.journal.begin(intents.slice(40).map((intent) => ({ intent, terms })))
        await subject.elapse(5)
        const journals = await Promise.all(Array.from({ length: 6 }, () => subject.another()))
        const taken: string[] = []
        const takeAll = async (journal: (typeof journals)[number], owner: string): Promise<void> => {
          for (let misses = 0; misses < 3; ) {
            const batch = await journal.claimDue([world.effect('charge', { owner })], 5)
            if (batch.length === 0) misses++
            taken.push(...batch.map((each) => each.entry.id))
          }
        }
        await Promise.all(journals.map((journal, i) => takeAll(journal, `process-${i}`)))
        assert.equal(taken.length, 60)
        assert.equal(new Set(taken).size, 60)
      },
    },
    {
      name: 'of many that take one entry at once, one gets it',
      run: async (subject, world) => {
        const intent = world.intent()
        await enqueueAll(subject, [intent])
        const journals = await Promise.all(Array.from({ length: 6 }, () => subject.another()))
        const results = await Promise.all(journals.map((each, i) => each.claim(intent.id, termsOf(`process-${i}`))))
        assert.equal(results.filter((each) => each?.claimed).length, 1)
        assert.equal((await readEntry(subject.journal, intent.id)).fence, 1)
      },
    },
    {
      name: 'the next due time is never told too late',
      run: async (subject, world) => {
        const { journal } = subject
        const other = world.effect('other')
        const entry = await beginNew(journal, world.intent(), termsOf('me', { leaseMs: LONG_MS }))
        const leased = await journal.nextDueInMs([world.effect()])
        assert.ok(leased !== null && leased <= LONG_MS)
        await writeEvent(journal, entry, { ...UNKNOWN, retryInMs: 60_000 })
        const doubtful = await journal.nextDueInMs([other, world.effect()])
        assert.ok(doubtful !== null && doubtful <= 60_000)
        await enqueueAll(subject, [world.intent()])
        assert.equal(await journal.nextDueInMs([world.effect()]), 0)
        const settled = await beginNew(
          journal,
          world.intent({ effect: 'settled', hasSettledHandler: true }),
          termsOf('me'),
        )
        await writeEvent(journal, settled, EXECUTED)
        const dueAtMs = (await readEntry(journal, settled.id)).dueAtMs ?? 0
        const settlement = await journal.nextDueInMs([world.effect('settled')])
        assert.ok(settlement !== null && settlement <= dueAtMs - (await readEntry(journal, settled.id)).updatedAtMs)
      },
    },
  ]
}
