import assert from 'node:assert/strict'
import { type Entry, enact, entryId, forcedResolution, type HandAnswer, type Journal } from '../../protocol/index.js'
import {
  beginNew,
  type ConformanceCase,
  type JournalSubject,
  LONG_MS,
  parkedInDoubt,
  readEntry,
  termsOf,
  toMicros,
} from './subject.js'

const WHY = { code: 'no_way_to_know', message: 'Nobody can be asked.' }
const BY = { actor: 'ada', reason: 'it is in the dashboard' }
const YES: HandAnswer = { happened: true, receipt: { id: 'ch_1' }, externalId: 'ch_1' }
const NO: HandAnswer = { happened: false }

function force<Tx>(journal: Journal<Tx>, entry: Entry, answer: HandAnswer) {
  const { id, fence } = entry
  return journal.settleByEvidence({ id, fence, state: 'parked', ...forcedResolution(entry, { ...BY, answer }) })
}

/** What a person ends without proof (protocol `forcedResolution`). */
export function byHandCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'what a person ends without proof is marked so, and stays marked whatever comes of it later',
      run: async (subject, world) => {
        const { journal } = subject
        const entry = await parkedInDoubt(subject, world.intent({ hasSettledHandler: true }), { reason: WHY })
        const { change, forcedBy } = forcedResolution(entry, { ...BY, answer: YES })
        const after = await force(journal, entry, YES)
        const enacted = enact(entry, change, after?.entry.updatedAtMs ?? 0)
        assert.deepEqual(after?.entry, toMicros({ ...enacted, fence: entry.fence + 1, forcedBy }))
        assert.deepEqual(await readEntry(journal, entry.id), after?.entry)
        assert.equal((await journal.settle(entry.id, async () => undefined)).ran, true)
        await undo(subject, entry)
        const undone = await readEntry(journal, entry.id)
        assert.deepEqual([undone.state, undone.forcedBy], ['compensated', forcedBy])
      },
    },
    {
      name: 'no new generation begins after what a person ended as failed without proof (P6)',
      run: async (subject, world) => {
        const { journal } = subject
        const entry = await parkedInDoubt(subject, world.intent(), { reason: WHY })
        assert.equal((await force(journal, entry, NO))?.entry.state, 'failed')
        const next = world.intent({ key: entry.key, generation: 2, input: 'again' })
        const renewed = await journal.renew({ intent: next, terms: termsOf('me') })
        assert.deepEqual([renewed?.created, renewed?.entry.generation], [false, 1])
        assert.equal((await journal.claim(entry.id, termsOf('me')))?.claimed, false)
      },
    },
    {
      name: 'a doubt is ended without proof once, whoever says what at the same time',
      run: async (subject, world) => {
        const entry = await parkedInDoubt(subject, world.intent(), { reason: WHY })
        const journals = await Promise.all(Array.from({ length: 4 }, () => subject.another()))
        const ends = await Promise.all(journals.map((journal, i) => force(journal, entry, i % 2 === 0 ? YES : NO)))
        assert.equal(ends.filter((each) => each !== null).length, 1)
        assert.equal((await readEntry(subject.journal, entry.id)).fence, entry.fence + 1)
      },
    },
    {
      name: 'what has moved on or is held is not ended without proof, and not marked',
      run: async ({ journal }, world) => {
        const held = await beginNew(journal, world.intent(), termsOf('me', { leaseMs: LONG_MS }))
        const parked = { ...held, state: 'parked' as const, inDoubtSinceMs: 0 }
        for (const fence of [held.fence, held.fence - 1]) {
          assert.equal(await force(journal, { ...parked, fence }, YES), null)
        }
        assert.deepEqual(await readEntry(journal, held.id), held)
      },
    },
  ]
}

/** Undoes it all, as an undoing's own entry would. */
async function undo<Tx>(
  { journal, transaction }: JournalSubject<Tx>,
  { id, namespace, effect, key }: Entry,
): Promise<void> {
  const undoId = entryId(namespace, `${effect}/undo`, key)
  const order = {
    ...{ undoId, namespace, effect, externalId: 'ch_1', entryId: id, part: null, total: null },
    ...{ reason: 'because', actor: null, findingId: null },
  }
  await transaction((tx) => journal.compensations.begin(tx, order))
  await transaction((tx) => journal.compensations.end(tx, undoId, { undone: true }))
}
