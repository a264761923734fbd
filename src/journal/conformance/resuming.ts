import assert from 'node:assert/strict'
import { callOffChange, type Entry, enact, type Journal, type ResumeOrder, resumeChange } from '../../protocol/index.js'
import {
  beginNew,
  type ConformanceCase,
  EXECUTED,
  LONG_MS,
  parkedInDoubt,
  readEntry,
  TURNED_AWAY,
  termsOf,
  toMicros,
  type World,
  writeEvent,
} from './subject.js'

const WHY = { code: 'unavailable', message: 'The service was down.' }
const BY: Omit<ResumeOrder, 'proof'> = { actor: 'ada', reason: 'the service is back' }

/** An entry that is parked though nothing of it is in doubt, and as its last holder had it. */
async function parked<Tx>(journal: Journal<Tx>, world: World, serializeKey: string | null = null) {
  const held = await beginHeld(journal, world, serializeKey)
  await writeEvent(journal, held, TURNED_AWAY)
  return { held, entry: await readEntry(journal, held.id) }
}

async function beginHeld<Tx>(journal: Journal<Tx>, world: World, serializeKey: string | null): Promise<Entry> {
  const intent = world.intent({ serializeKey })
  if (serializeKey === null) return beginNew(journal, intent, termsOf('me'))
  await journal.begin([{ intent, terms: termsOf('me') }])
  const claimed = await journal.claim(intent.id, termsOf('me'))
  if (claimed?.claimed !== true) throw new Error(`Entry ${intent.id} has not its turn.`)
  return claimed.entry
}

function resume<Tx>(journal: Journal<Tx>, { id, fence }: Entry, change = CHANGE) {
  return journal.settleByEvidence({ id, fence, state: 'parked', change })
}

/** What becomes of every entry that was parked by `TURNED_AWAY` in its first call. */
const CHANGE = resumeChange({ state: 'parked', inDoubtSinceMs: null, attempts: 1, owner: null, reason: WHY } as Entry, {
  ...BY,
  proof: 'known',
})

/** What a person has tried again (protocol `resumeChange`). */
export function resumingCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'a parked entry that is resumed is due at once, under a fence that ends what an earlier holder could write',
      run: async ({ journal }, world) => {
        const { held, entry } = await parked(journal, world)
        const change = resumeChange(entry, { ...BY, proof: 'known' })
        const after = await resume(journal, entry, change)
        const expected = { ...enact(entry, change, after?.entry.updatedAtMs ?? 0), fence: entry.fence + 1 }
        assert.deepEqual(after?.entry, toMicros(expected))
        assert.deepEqual(await readEntry(journal, entry.id), after?.entry)
        assert.deepEqual(await writeEvent(journal, held, EXECUTED), { applied: false })
        const claimed = await journal.claim(entry.id, termsOf('next'))
        assert.equal(claimed?.claimed, true)
        assert.equal(claimed?.entry.firstSentAtMs, entry.firstSentAtMs)
        assert.equal(await resume(journal, entry), null)
      },
    },
    {
      name: 'a parked entry is resumed once, however many say so at once',
      run: async (subject, world) => {
        const { entry } = await parked(subject.journal, world)
        const journals = await Promise.all(Array.from({ length: 5 }, () => subject.another()))
        const resumed = await Promise.all(journals.map((journal) => resume(journal, entry)))
        assert.equal(resumed.filter((each) => each !== null).length, 1)
        assert.equal((await readEntry(subject.journal, entry.id)).fence, entry.fence + 1)
      },
    },
    {
      name: 'what may have happened is resumed without its doubt, with its calls and its failed look-ups counted anew',
      run: async ({ journal, elapse }, world) => {
        const entry = await parkedInDoubt({ journal, elapse }, world.intent(), { reason: WHY, lookUpsInVain: 1 })
        assert.equal(entry.findFailures, 1)
        const after = await resume(journal, entry, resumeChange(entry, { ...BY, proof: 'absence' }))
        const { inDoubtSinceMs, attempts, findFailures, lastDeadlineAtMs } = after?.entry ?? entry
        assert.deepEqual([inDoubtSinceMs, attempts, findFailures], [null, 1, 0])
        assert.equal(lastDeadlineAtMs, entry.lastDeadlineAtMs)
      },
    },
    {
      name: 'what is resumed by its key is in doubt since when it was, and due at once',
      run: async ({ journal, elapse }, world) => {
        const entry = await parkedInDoubt({ journal, elapse }, world.intent(), { reason: WHY, lookUpsInVain: 1 })
        const change = resumeChange(entry, { ...BY, proof: 'key' })
        const after = await resume(journal, entry, change)
        const expected = { ...enact(entry, change, after?.entry.updatedAtMs ?? 0), fence: entry.fence + 1 }
        assert.deepEqual(after?.entry, toMicros(expected))
        const claimed = await journal.claim(entry.id, termsOf('next'))
        assert.equal(claimed?.claimed, true)
        const { state, inDoubtSinceMs, firstSentAtMs } = claimed.entry
        assert.deepEqual(
          [state, inDoubtSinceMs, firstSentAtMs],
          ['in_doubt', entry.inDoubtSinceMs, entry.firstSentAtMs],
        )
      },
    },
    {
      name: 'resuming changes nothing of an entry that is held, or at rest by an outcome',
      run: async ({ journal }, world) => {
        const held = await beginNew(journal, world.intent(), termsOf('me', { leaseMs: LONG_MS }))
        assert.equal(await resume(journal, held), null)
        assert.deepEqual(await readEntry(journal, held.id), held)
        await writeEvent(journal, held, EXECUTED)
        const done = await readEntry(journal, held.id)
        assert.equal(await resume(journal, done), null)
        assert.deepEqual(await readEntry(journal, held.id), done)
      },
    },
    {
      name: 'a parked entry that is called off is resumed by nobody',
      run: async ({ journal }, world) => {
        const { entry } = await parked(journal, world)
        const change = callOffChange(entry, WHY)
        const after = await resume(journal, entry, change)
        assert.equal(after?.entry.state, 'failed')
        assert.deepEqual(await readEntry(journal, entry.id), after?.entry)
        assert.equal(await resume(journal, entry), null)
        assert.equal((await journal.claim(entry.id, termsOf('next')))?.claimed, false)
      },
    },
    {
      name: 'a resumed entry waits for its turn: those behind it went on, and it is never made beside one of them',
      run: async ({ journal, elapse }, world) => {
        const line = 'a customer'
        const { entry } = await parked(journal, world, line)
        await elapse(2)
        const next = await beginHeld(journal, world, line)
        assert.equal((await resume(journal, entry))?.entry.state, 'pending')
        assert.equal((await journal.claim(entry.id, termsOf('other')))?.claimed, false)
        await writeEvent(journal, next, EXECUTED)
        assert.equal((await journal.claim(entry.id, termsOf('other')))?.claimed, true)
      },
    },
  ]
}
