import assert from 'node:assert/strict'
import { begin, enact, type Intent, type Journal, type JournalWrite, transition } from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  type ConformanceCase,
  EXECUTED,
  holderOf,
  REJECTED,
  readEntry,
  termsOf,
  toMicros,
} from './subject.js'

/** Beginning and writing at once, by journals that can. */
export function togetherCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'what is begun and written at once is what it is apart, and each is answered in its place',
      run: async ({ journal }, world) => {
        const writes = await held(journal, world.intents(3))
        const intents = world.intents(3)
        const both = await together(journal, intents, writes)
        for (const [i, result] of both.begun.entries()) {
          const { created, entry, nowMs } = accepted(result)
          const intent = intents[i] ?? world.intent()
          assert.equal(created, true)
          assert.deepEqual(toMicros(entry), toMicros(begin(intent, termsOf('me'), nowMs)))
          assert.deepEqual(toMicros(await readEntry(journal, intent.id)), toMicros(entry))
        }
        for (const [i, result] of both.written.entries()) {
          const { id, change, before } = writes[i] ?? assert.fail()
          const written = accepted(result)
          assert.ok(written.applied)
          assert.deepEqual(toMicros(await readEntry(journal, id)), toMicros(enact(before, change, written.nowMs)))
        }
      },
    },
    {
      name: 'a stale write beside what is begun changes nothing, and the others take effect',
      run: async ({ journal }, world) => {
        const [stale, fresh] = await held(journal, world.intents(2))
        if (stale === undefined || fresh === undefined) return assert.fail()
        const intent = world.intent()
        const { begun, written } = await together(journal, [intent], [{ ...stale, owner: 'another' }, fresh])
        assert.equal(accepted(begun[0]).created, true)
        assert.deepEqual(
          written.map((each) => accepted(each).applied),
          [false, true],
        )
        assert.deepEqual(toMicros(await readEntry(journal, stale.id)), toMicros(stale.before))
      },
    },
    {
      name: 'an entry that stands already is told beside those that are begun and written',
      run: async ({ journal }, world) => {
        const [write] = await held(journal, [world.intent()])
        if (write === undefined) return assert.fail()
        const standing = await beginNew(journal, world.intent(), termsOf('another'))
        const fresh = world.intent()
        const again: Intent = { ...fresh, id: standing.id, key: standing.key, reference: standing.reference }
        const { begun, written } = await together(journal, [again, fresh], [write])
        assert.deepEqual(
          begun.map((each) => accepted(each).created),
          [false, true],
        )
        assert.deepEqual(toMicros(accepted(begun[0]).entry), toMicros(standing))
        assert.equal(accepted(written[0]).applied, true)
      },
    },
    {
      name: 'a key in an open transaction keeps no begin and no write waiting: nothing is written, and it says so',
      run: async ({ journal, transaction }, world) => {
        if (journal.beginAndWrite === undefined) return
        const [write] = await held(journal, [world.intent()])
        if (write === undefined) return assert.fail()
        const [taken, fresh] = [world.intent(), world.intent()]
        const items = [taken, fresh].map((intent) => ({ intent, terms: termsOf('me') }))
        await transaction(async (tx) => {
          await journal.enqueue(tx, [{ intent: taken, notBefore: null }])
          assert.equal(await journal.beginAndWrite?.(items, [write]), 'blocked')
          assert.equal(await journal.beginAndWrite?.(items, []), 'blocked')
          assert.equal(await journal.beginAndWrite?.(items.slice(0, 1), []), 'blocked')
          assert.deepEqual(await journal.read([fresh.id]), [null])
          assert.deepEqual(toMicros(await readEntry(journal, write.id)), toMicros(write.before))
        })
        const { begun, written } = await together(journal, [taken, fresh], [write])
        assert.deepEqual(
          begun.map((each) => accepted(each).created),
          [false, true],
        )
        assert.equal(accepted(written[0]).applied, true)
      },
    },
    {
      name: 'what cannot be begun and written at once is not written by half',
      run: async ({ journal }, world) => {
        const [success, failure] = await held(journal, world.intents(2))
        if (success === undefined || failure === undefined) return assert.fail()
        const refused = { ...failure, change: transition(failure.before, REJECTED) }
        for (const [intent, write] of [
          [world.intent(), refused],
          [world.intent({ serializeKey: 'customer-1' }), success],
        ] as const) {
          const both = await journal.beginAndWrite?.([{ intent, terms: termsOf('me') }], [write])
          if (both === undefined) return
          const isDone = both !== 'apart'
          assert.equal((await journal.read([intent.id]))[0] !== null, isDone)
          assert.equal((await readEntry(journal, write.id)).state !== 'executing', isDone)
        }
      },
    },
  ]
}

/** A write of a success, and how its entry stands before it. */
interface HeldWrite extends JournalWrite {
  readonly before: Awaited<ReturnType<typeof readEntry>>
}

async function held<Tx>(journal: Journal<Tx>, intents: readonly Intent[]): Promise<HeldWrite[]> {
  const writes: HeldWrite[] = []
  for (const intent of intents) {
    const before = await beginNew(journal, intent, termsOf('me'))
    writes.push({ ...holderOf(before), change: transition(before, EXECUTED), before })
  }
  return writes
}

/** At once where the journal can, which it need not. */
async function together<Tx>(journal: Journal<Tx>, intents: readonly Intent[], writes: readonly JournalWrite[]) {
  const items = intents.map((intent) => ({ intent, terms: termsOf('me') }))
  const both = await journal.beginAndWrite?.(items, writes)
  assert.notEqual(both, 'blocked')
  if (both !== undefined && typeof both !== 'string') return both
  return { begun: await journal.begin(items), written: await journal.write(writes) }
}
