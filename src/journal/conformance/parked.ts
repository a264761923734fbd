import assert from 'node:assert/strict'
import { type Entry, evidenceChange, type Journal, resumeChange, transition } from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  type ConformanceCase,
  EXECUTED,
  holderOf,
  parkedInDoubt,
  REJECTED,
  readEntry,
  TURNED_AWAY,
  termsOf,
  UNKNOWN,
  type World,
  writeEvent,
} from './subject.js'

const WHY = { code: 'no_way_to_know', message: 'It may have happened.' }

/** An entry that is parked, though it did not happen. */
async function parked<Tx>(journal: Journal<Tx>, world: World, effect = 'charge'): Promise<Entry> {
  const held = await beginNew(journal, world.intent({ effect }), termsOf('me'))
  await writeEvent(journal, held, TURNED_AWAY)
  return readEntry(journal, held.id)
}

/** Several that are parked by one write, and so at one time. */
async function parkedAtOnce<Tx>(journal: Journal<Tx>, world: World, count: number): Promise<void> {
  const begun = await journal.begin(world.intents(count).map((intent) => ({ intent, terms: termsOf('me') })))
  const held = begun.map((each) => accepted(each).entry)
  await journal.write(held.map((entry) => ({ ...holderOf(entry), change: transition(entry, TURNED_AWAY) })))
}

/** The listing of what needs a person. */
export function parkedCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'every parked entry is listed, whether it may have happened or not, the longest parked first, and no other',
      run: async ({ journal, elapse }, world) => {
        const first = await parkedInDoubt({ journal, elapse }, world.intent(), { reason: WHY })
        await elapse(2)
        const second = await parked(journal, world)
        await elapse(2)
        const third = await parked(journal, world, 'mail')
        const ended = [EXECUTED, REJECTED, UNKNOWN]
        for (const event of ended) {
          await writeEvent(journal, await beginNew(journal, world.intent(), termsOf('me')), event)
        }
        await beginNew(journal, world.intent(), termsOf('me'))
        await journal.enqueue(null, [{ intent: world.intent(), notBefore: null }])
        const both = [world.effect(), world.effect('mail')]
        assert.deepEqual(await journal.parked.list(both, 10, null), [first, second, third])
        assert.deepEqual(await journal.parked.list(both, 2, null), [first, second])
        assert.deepEqual(await journal.parked.list([world.effect('mail')], 10, null), [third])
        assert.deepEqual(await journal.parked.list([world.effect('other')], 10, null), [])
        assert.deepEqual(await journal.parked.list(both, 0, null), [])
      },
    },
    {
      name: 'a listing of parked entries goes on behind the last one, and tells each once, also those that were parked at one time',
      run: async ({ journal, elapse }, world) => {
        await parked(journal, world)
        await elapse(2)
        await parkedAtOnce(journal, world, 5)
        await elapse(2)
        await parked(journal, world)
        const all = await journal.parked.list([world.effect()], 10, null)
        assert.equal(all.length, 7)
        const paged: Entry[] = []
        for (let page: readonly Entry[] = all; page.length > 0; paged.push(...page)) {
          page = await journal.parked.list([world.effect()], 2, paged.at(-1) ?? null)
        }
        assert.deepEqual(paged, all)
      },
    },
    {
      name: 'what is resumed, begins anew or is settled is parked no longer, and is listed again when it is parked again',
      run: async ({ journal }, world) => {
        const list = () => journal.parked.list([world.effect()], 10, null)
        const resumed = await parked(journal, world)
        const by = { actor: 'ada', reason: 'the service is back', proof: 'known' } as const
        const change = resumeChange(resumed, by)
        await journal.settleByEvidence({ id: resumed.id, fence: resumed.fence, state: 'parked', change })
        assert.deepEqual(await list(), [])
        const again = await journal.claim(resumed.id, termsOf('next'))
        if (again?.claimed !== true) throw new Error('What was resumed was not claimed.')
        await writeEvent(journal, again.entry, TURNED_AWAY)
        assert.deepEqual(await list(), [await readEntry(journal, resumed.id)])

        const intent = world.intent({ key: resumed.key, generation: 2 })
        const renewed = await journal.renew({ intent, terms: termsOf('me') })
        assert.equal(renewed?.created, true)
        assert.deepEqual(await list(), [])
        await writeEvent(journal, renewed?.entry ?? resumed, TURNED_AWAY)
        const last = await readEntry(journal, resumed.id)
        assert.deepEqual(await list(), [last])

        const found = evidenceChange(last, { kind: 'present', receipt: { id: 'ch_1' }, externalId: 'ch_1' })
        await journal.settleByEvidence({ id: last.id, fence: last.fence, state: 'parked', change: found })
        assert.deepEqual(await list(), [])
      },
    },
  ]
}
