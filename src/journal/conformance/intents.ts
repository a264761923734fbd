import assert from 'node:assert/strict'
import {
  begin,
  dueAtOf,
  type Enqueued,
  type Event,
  enact,
  enqueue,
  fingerprint,
  type Intent,
  transition,
} from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  type ConformanceCase,
  EXECUTED,
  holderOf,
  LONG_MS,
  REJECTED,
  readEntry,
  termsOf,
  toMicros,
  UNKNOWN,
  writeEvent,
} from './subject.js'

/** Beginning, enqueueing, writing under the fence, and new generations. */
export function intentCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'a new intent is written and claimed in one step, exactly as the protocol says',
      run: async ({ journal }, world) => {
        const intent = world.intent({ hasSettledHandler: true })
        const terms = termsOf('me', { leaseMs: 30_000.5, timeoutMs: 10_000 })
        // A journal may have one way for a lone intent and another for many.
        for (const items of [[{ intent, terms }], world.intents(2).map((each) => ({ intent: each, terms }))]) {
          for (const [i, result] of (await journal.begin(items)).entries()) {
            const begun = accepted(result)
            assert.equal(begun.created, true)
            assert.deepEqual(toMicros(begun.entry), toMicros(begin(items[i]?.intent ?? intent, terms, begun.nowMs)))
            assert.deepEqual(toMicros(await readEntry(journal, begun.entry.id)), toMicros(begun.entry))
          }
        }
      },
    },
    {
      name: 'whatever input was accepted comes back equal',
      run: async ({ journal }, world) => {
        const input = {
          zebra: 1,
          apple: [0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, -1, true, null, '', []],
          text: 'quotes " and \\ and { } and , and NULL and \u{1F600} and \u2028 and \u0001',
          nested: { deeper: { deepest: [{}, [{ a: null }]] } },
          ['__proto__']: 'own',
        }
        for (const each of [input, null, 'NULL', '', 0, false, [], {}]) {
          const intent = { ...world.intent(), input: each, fingerprint: fingerprint('x') }
          await beginNew(journal, intent, termsOf('me'))
          const stored = await readEntry(journal, intent.id)
          assert.deepEqual(stored.input, each)
          assert.equal(JSON.stringify(stored.input), JSON.stringify(each), 'the order of properties is kept')
        }
      },
    },
    {
      name: 'an existing entry stands as it is, and the intent that meets it is told so',
      run: async ({ journal }, world) => {
        const intent = world.intent()
        const first = await beginNew(journal, intent, termsOf('first'))
        const [result] = await journal.begin([{ intent: { ...intent, input: 'other' }, terms: termsOf('second') }])
        const second = accepted(result)
        assert.equal(second.created, false)
        assert.deepEqual(toMicros(second.entry), toMicros(first))
      },
    },
    {
      name: 'of two intents with one id in a batch, the first is created and the second meets it',
      run: async ({ journal }, world) => {
        const [a, b] = [world.intent(), world.intent()]
        const batch = [a, b, a, b, a].map((intent, i) => ({ intent, terms: termsOf(`owner-${i}`) }))
        const results = (await journal.begin(batch)).map(accepted)
        assert.deepEqual(
          results.map((each) => [each.entry.id, each.created, each.entry.owner]),
          [
            [a.id, true, 'owner-0'],
            [b.id, true, 'owner-1'],
            [a.id, false, 'owner-0'],
            [b.id, false, 'owner-1'],
            [a.id, false, 'owner-0'],
          ],
        )
      },
    },
    {
      name: 'an empty batch is answered with nothing',
      run: async ({ journal, transaction }) => {
        assert.deepEqual(await journal.begin([]), [])
        assert.deepEqual(await journal.write([]), [])
        assert.deepEqual(await journal.read([]), [])
        assert.deepEqual(await journal.await([]), [])
        assert.deepEqual(await transaction((tx) => journal.enqueue(tx, [])), [])
        assert.deepEqual(await journal.claimDue([], 5), [])
        assert.deepEqual(await journal.dueSettlements([], 5), [])
        assert.equal(await journal.nextDueInMs([]).then((ms) => ms === null || ms >= 0), true)
      },
    },
    {
      name: 'many processes that begin the same entries at once, in any order, create each exactly once',
      run: async (subject, world) => {
        const journals = await Promise.all(Array.from({ length: 4 }, () => subject.another()))
        const intents = world.intents(40)
        const results = await Promise.all(
          journals.map(async (journal, i) => {
            const order = i % 2 === 0 ? intents : [...intents].reverse()
            const begun = await journal.begin(order.map((intent) => ({ intent, terms: termsOf(`process-${i}`) })))
            return begun.map(accepted)
          }),
        )
        const created = results.flat().filter((each) => each.created)
        assert.equal(created.length, intents.length)
        assert.equal(new Set(created.map((each) => each.entry.id)).size, intents.length)
        const owners = new Map(created.map((each) => [each.entry.id, each.entry.owner]))
        for (const each of results.flat()) assert.equal(each.entry.owner, owners.get(each.entry.id))
      },
    },
    {
      name: 'a write under the fence changes the entry exactly as the protocol says',
      run: async ({ journal }, world) => {
        for (const event of [EXECUTED, REJECTED, UNKNOWN]) {
          const entry = await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me'))
          const change = transition(entry, event)
          const written = accepted((await journal.write([{ ...holderOf(entry), change }]))[0])
          assert.equal(written.applied, true)
          if (!written.applied) return
          const expected = enact(entry, change, written.nowMs)
          assert.deepEqual(toMicros(await readEntry(journal, entry.id)), toMicros(expected))
        }
      },
    },
    {
      name: 'successes change their entries exactly as the protocol says, alone or together',
      run: async ({ journal }, world) => {
        for (const intents of [world.intents(1), world.intents(3)]) {
          const entries = await Promise.all(intents.map((intent) => beginNew(journal, intent, termsOf('me'))))
          const writes = entries.map((entry) => ({ ...holderOf(entry), change: transition(entry, EXECUTED) }))
          for (const [i, result] of (await journal.write(writes)).entries()) {
            const [written, write, entry] = [accepted(result), writes[i], entries[i]]
            if (!written.applied || write === undefined || entry === undefined) assert.fail('a holder was refused')
            const expected = toMicros(enact(entry, write.change, written.nowMs))
            assert.deepEqual(toMicros(await readEntry(journal, entry.id)), expected)
          }
        }
      },
    },
    {
      name: 'a call repeated from doubt keeps what the earlier one may still do, exactly as the protocol says',
      run: async ({ journal, elapse }, world) => {
        const intent = world.intent()
        let entry = await beginNew(journal, intent, termsOf('me'))
        const started: Event = { type: 'attempt_started', proof: 'key', leaseMs: LONG_MS, timeoutMs: 1 }
        // Given up long before its deadline: until then it may still arrive, whatever the next calls do.
        const abandoned: Event = { ...UNKNOWN, callOver: false, retryInMs: 1 }
        for (const event of [abandoned, started, abandoned, started, REJECTED]) {
          await elapse(5)
          if (entry.leaseUntilMs === null) {
            const taken = await journal.claim(intent.id, termsOf('me'))
            assert.equal(taken?.claimed, true)
            if (taken !== null) entry = taken.entry
          }
          const change = transition(entry, event)
          const written = accepted((await journal.write([{ ...holderOf(entry), change }]))[0])
          if (!written.applied) assert.fail('the holder was refused')
          const expected = toMicros(enact(entry, change, written.nowMs))
          entry = await readEntry(journal, intent.id)
          assert.deepEqual(entry, expected)
        }
        assert.equal(entry.state, 'in_doubt')
      },
    },
    {
      name: 'a stale holder changes nothing and is told so',
      run: async ({ journal, elapse }, world) => {
        const entry = await beginNew(journal, world.intent(), termsOf('stale', { leaseMs: 1, timeoutMs: 1 }))
        await elapse(5)
        const taken = await journal.claim(entry.id, termsOf('new'))
        assert.equal(taken?.claimed, true)
        assert.deepEqual(await writeEvent(journal, entry, EXECUTED), { applied: false })
        assert.deepEqual(await writeEvent(journal, entry, EXECUTED, entry.fence + 2), { applied: false })
        assert.deepEqual(await readEntry(journal, entry.id), taken?.entry)
      },
    },
    {
      name: 'in a batch of writes each stands or falls by its own fence, and the answers keep the order',
      run: async ({ journal }, world) => {
        const entries = await Promise.all(world.intents(5).map((intent) => beginNew(journal, intent, termsOf('me'))))
        const missing = world.intent().id
        const writes = entries.map((entry, i) => ({
          ...holderOf(entry),
          fence: i % 2 === 0 ? entry.fence : entry.fence + 1,
          change: transition(entry, EXECUTED),
        }))
        const [first] = writes
        if (first === undefined) return
        const results = (await journal.write([...writes, { ...first, id: missing }])).map(accepted)
        assert.deepEqual(
          results.map((each) => each.applied),
          [true, false, true, false, true, false],
        )
      },
    },
    {
      name: 'a write that releases the lease takes effect once: a copy of it changes nothing',
      run: async ({ journal }, world) => {
        const entry = await beginNew(journal, world.intent(), termsOf('me'))
        const write = { ...holderOf(entry), change: transition(entry, REJECTED) }
        const copy = { ...holderOf(entry), change: transition(entry, EXECUTED) }
        const results = (await journal.write([write, copy])).map(accepted)
        assert.deepEqual(
          results.map((each) => each.applied),
          [true, false],
        )
        assert.equal((await readEntry(journal, entry.id)).state, 'failed')
        assert.deepEqual(await writeEvent(journal, entry, EXECUTED), { applied: false })
      },
    },
    {
      name: 'another owner with the right fence changes nothing',
      run: async ({ journal }, world) => {
        const [entry, other] = await Promise.all(world.intents(2).map((each) => beginNew(journal, each, termsOf('me'))))
        if (entry === undefined || other === undefined) return
        const write = { ...holderOf(entry), owner: 'another', change: transition(entry, EXECUTED) }
        const good = { ...holderOf(other), change: transition(other, EXECUTED) }
        assert.deepEqual(await journal.write([write]), [{ applied: false }])
        assert.deepEqual(
          (await journal.write([write, good])).map((each) => accepted(each).applied),
          [false, true],
        )
        assert.deepEqual(await readEntry(journal, entry.id), toMicros(entry))
      },
    },
    {
      name: 'a call that does not end inside its lease is refused before anything is written',
      run: async ({ journal }, world) => {
        const intent = world.intent()
        const terms = termsOf('me', { leaseMs: 1000, timeoutMs: 1001 })
        await assert.rejects(journal.begin([{ intent, terms }]), /does not end inside a lease/)
        assert.deepEqual(await journal.read([intent.id]), [null])
      },
    },
    {
      name: 'what was enqueued exists once its transaction commits, and not at all if it rolls back',
      run: async ({ journal, transaction }, world) => {
        const [kept, dropped] = [world.intent(), world.intent()]
        await transaction(async (tx) => {
          assert.deepEqual(await journal.enqueue(tx, [{ intent: kept, notBefore: null }]), [enqueuedAs(kept, true)])
          assert.deepEqual(await journal.read([kept.id]), [null], 'others do not see it before the commit')
        })
        const failing = transaction(async (tx) => {
          await journal.enqueue(tx, [{ intent: dropped, notBefore: null }])
          throw new Error('rolled back')
        })
        await assert.rejects(failing, /rolled back/)
        const entry = await readEntry(journal, kept.id)
        assert.deepEqual(toMicros(entry), toMicros(enqueue(kept, entry.createdAtMs, entry.createdAtMs)))
        assert.deepEqual(await journal.read([dropped.id]), [null])
      },
    },
    {
      name: 'enqueueing an existing entry, or one twice, changes nothing and is told so',
      run: async ({ journal, transaction }, world) => {
        const [existing, fresh] = [world.intent(), world.intent()]
        const entry = await beginNew(journal, existing, termsOf('me'))
        const items = [existing, fresh, fresh].map((intent) => ({ intent, notBefore: null }))
        assert.deepEqual(areNew(await transaction((tx) => journal.enqueue(tx, items))), [false, true, false])
        assert.deepEqual(areNew(await transaction((tx) => journal.enqueue(tx, items))), [false, false, false])
        assert.deepEqual(await readEntry(journal, existing.id), toMicros(entry))
      },
    },
    {
      name: 'without a transaction, what was enqueued is there when the call returns, and known ones are told as such',
      run: async ({ journal }, world) => {
        const [existing, fresh] = [world.intent(), world.intent({ input: { quoted: '"\\\n{},NULL' } })]
        const entry = await beginNew(journal, existing, termsOf('me'))
        const items = [fresh, existing, fresh].map((intent) => ({ intent, notBefore: null }))
        assert.deepEqual(areNew(await journal.enqueue(null, items)), [true, false, false])
        assert.deepEqual(areNew(await journal.enqueue(null, items)), [false, false, false])
        const { createdAtMs } = await readEntry(journal, fresh.id)
        assert.deepEqual(await readEntry(journal, fresh.id), toMicros(enqueue(fresh, createdAtMs, createdAtMs)))
        assert.deepEqual(await readEntry(journal, existing.id), toMicros(entry))
        assert.deepEqual(await journal.enqueue(null, []), [])
        const alone = world.intent({ hasSettledHandler: true })
        assert.deepEqual(areNew(await journal.enqueue(null, [{ intent: alone, notBefore: { inMs: LONG_MS } }])), [true])
        assert.deepEqual(areNew(await journal.enqueue(null, [{ intent: alone, notBefore: null }])), [false])
        const written = await readEntry(journal, alone.id)
        assert.deepEqual(written, toMicros(enqueue(alone, written.createdAtMs + LONG_MS, written.createdAtMs)))
      },
    },
    {
      name: 'an enqueued entry is not taken before its time: a moment, or a wait, by the clock of the journal',
      run: async ({ journal, transaction }, world) => {
        const { createdAtMs } = await beginNew(journal, world.intent(), termsOf('me'))
        const items = [
          { intent: world.intent(), notBefore: { atMs: createdAtMs + LONG_MS } },
          { intent: world.intent(), notBefore: { inMs: LONG_MS } },
        ]
        const alone = items.map((item) => ({ ...item, intent: world.intent() }))
        await transaction((tx) => journal.enqueue(tx, items))
        await journal.enqueue(null, alone)
        for (const { intent, notBefore } of [...items, ...alone]) {
          const entry = await readEntry(journal, intent.id)
          const dueAtMs = dueAtOf(notBefore, entry.createdAtMs)
          assert.deepEqual(toMicros(entry), toMicros(enqueue(intent, dueAtMs, entry.createdAtMs)))
          assert.equal((await journal.claim(intent.id, termsOf('me')))?.claimed, false)
        }
        assert.deepEqual(await journal.claimDue([world.effect()], 10), [])
      },
    },
    {
      name: 'who begins what another is enqueueing waits for that transaction, and meets its entry or makes its own',
      run: async ({ journal, transaction }, world) => {
        for (const commits of [true, false]) {
          const intent = world.intent()
          let beginning: ReturnType<typeof journal.begin> | undefined
          const enqueueing = transaction(async (tx) => {
            await journal.enqueue(tx, [{ intent, notBefore: null }])
            beginning = journal.begin([{ intent, terms: termsOf('me') }])
            if (!commits) throw new Error('rolled back')
          })
          await enqueueing.catch(() => undefined)
          const begun = accepted((await beginning)?.[0])
          assert.equal(begun.created, !commits)
          assert.equal(begun.entry.state, commits ? 'pending' : 'executing')
        }
      },
    },
    {
      name: 'a new generation begins only after one that is known not to have taken effect, under a higher fence',
      run: async ({ journal }, world) => {
        const intent = world.intent({ key: 'renewed' })
        const next = { ...world.intent({ key: 'renewed', generation: 2, input: 'second' }) }
        assert.equal(await journal.renew({ intent: next, terms: termsOf('me') }), null)
        const entry = await beginNew(journal, intent, termsOf('me'))
        assert.equal((await journal.renew({ intent: next, terms: termsOf('me') }))?.created, false)
        await writeEvent(journal, entry, REJECTED)
        const skipping = { ...next, generation: 3 }
        assert.equal((await journal.renew({ intent: skipping, terms: termsOf('me') }))?.created, false)
        const renewed = await journal.renew({ intent: next, terms: termsOf('me') })
        assert.equal(renewed?.created, true)
        if (renewed === null) return
        const expected = { ...begin(next, termsOf('me'), renewed.nowMs), fence: entry.fence + 1 }
        assert.deepEqual(toMicros(renewed.entry), toMicros(expected))
        assert.deepEqual(await readEntry(journal, intent.id), renewed.entry)
        assert.deepEqual(await journal.earlierFingerprints(intent.id), [intent.fingerprint])
        assert.deepEqual(await writeEvent(journal, entry, EXECUTED), { applied: false })
        assert.equal((await journal.renew({ intent: next, terms: termsOf('me') }))?.created, false)
      },
    },
    {
      name: 'of many that renew at once, one begins the generation',
      run: async (subject, world) => {
        const intent = world.intent({ key: 'contested' })
        await writeEvent(subject.journal, await beginNew(subject.journal, intent, termsOf('me')), REJECTED)
        const next = world.intent({ key: 'contested', generation: 2 })
        const journals = await Promise.all(Array.from({ length: 4 }, () => subject.another()))
        const results = await Promise.all(journals.map((each) => each.renew({ intent: next, terms: termsOf('me') })))
        assert.equal(results.filter((each) => each?.created).length, 1)
        assert.deepEqual(await subject.journal.earlierFingerprints(intent.id), [intent.fingerprint])
      },
    },
  ]
}

function enqueuedAs({ fingerprint }: Intent, created: boolean): Enqueued {
  return { created, state: 'pending', generation: 1, fingerprint }
}

function areNew(enqueued: readonly Enqueued[]): boolean[] {
  return enqueued.map((each) => each.created)
}
