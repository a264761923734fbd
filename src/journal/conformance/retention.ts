import assert from 'node:assert/strict'
import {
  compacted,
  type Entry,
  entryId,
  type Intent,
  isFinished,
  type Journal,
  type RetentionTerms,
  STATES,
} from '../../protocol/index.js'
import {
  accepted,
  beginNew,
  type ConformanceCase,
  EXECUTED,
  type JournalSubject,
  LONG_MS,
  REJECTED,
  readEntry,
  termsOf,
  UNKNOWN,
  type World,
  writeEvent,
} from './subject.js'

/** Longer than what comes before it in a case takes, or that would age too. */
const AGE_MS = 100
const WHY = { code: 'refused', message: 'It was refused.' }

function aging(world: World, terms: Partial<RetentionTerms>): RetentionTerms {
  return { namespace: world.namespace, effects: ['charge'], compactAfterMs: null, purgeAfterMs: null, ...terms }
}

/** Walks once around, from the middle. */
async function walked<Tx>({ retention }: Journal<Tx>, terms: RetentionTerms): Promise<{ c: number; p: number }> {
  let [c, p] = [0, 0]
  for (let place = await retention.begin(0.5); place !== null; ) {
    const step = await retention.step(terms, place)
    c += step.compacted
    p += step.purged
    place = step.next
  }
  return { c, p }
}

async function ended<Tx>(
  { journal }: JournalSubject<Tx>,
  intent: Intent,
  event: typeof EXECUTED | typeof REJECTED = EXECUTED,
): Promise<Entry> {
  const entry = await beginNew(journal, intent, termsOf('me'))
  const { outcome } = event
  const unique = outcome.kind === 'executed' ? { ...outcome, externalId: `ch_${intent.key}` } : outcome
  await writeEvent(journal, entry, { ...event, outcome: unique } as typeof event)
  return readEntry(journal, entry.id)
}

function orderOf(entry: Entry) {
  const { namespace, effect, externalId } = entry
  return {
    undoId: entryId(namespace, 'charge/undo', `${externalId}`),
    ...{ namespace, effect, externalId: externalId ?? '', entryId: entry.id, part: null, total: null },
    ...{ reason: 'because', actor: null, findingId: null },
  }
}

/** Undoes an entry, with an entry for the undoing that has come to its end too. */
async function undone<Tx>(subject: JournalSubject<Tx>, world: World, entry: Entry): Promise<Entry> {
  const { journal } = subject
  const order = orderOf(entry)
  await subject.transaction((tx) => journal.compensations.begin(tx, order))
  const undoing = await ended(subject, world.intent({ effect: 'charge/undo', key: `${entry.externalId}` }))
  await subject.transaction((tx) => journal.compensations.end(tx, order.undoId, { undone: true }))
  return undoing
}

/** An entry in each way in which it may stand that is not its end, and one in each that is. */
async function inEveryState<Tx>(subject: JournalSubject<Tx>, world: World): Promise<readonly Entry[]> {
  const { journal } = subject
  const begun = await beginNew(journal, world.intent(), termsOf('me'))
  await subject.transaction((tx) => journal.enqueue(tx, [{ intent: world.intent(), notBefore: null }]))
  const pending = world.intent()
  await subject.transaction((tx) => journal.enqueue(tx, [{ intent: pending, notBefore: null }]))
  const doubt = await beginNew(journal, world.intent(), termsOf('me'))
  await writeEvent(journal, doubt, UNKNOWN)
  const held = await beginNew(journal, world.intent(), termsOf('me', { leaseMs: 1 }))
  await subject.elapse(5)
  assert.equal((await journal.claim(held.id, termsOf('resolver', { leaseMs: LONG_MS })))?.claimed, true)
  const parked = await beginNew(journal, world.intent(), termsOf('me', { leaseMs: 1 }))
  await subject.elapse(5)
  const resolving = await journal.claim(parked.id, termsOf('resolver'))
  if (resolving?.claimed === true)
    await writeEvent(journal, resolving.entry, { type: 'parked', reason: WHY, knownAbsent: false })
  const due = await ended(subject, world.intent({ hasSettledHandler: true }))
  const dead = await ended(subject, world.intent({ hasSettledHandler: true }))
  await journal.settlementFailed(dead.id, null)
  const compensating = await ended(subject, world.intent())
  await subject.transaction((tx) => journal.compensations.begin(tx, orderOf(compensating)))
  const done = await ended(subject, world.intent({ hasSettledHandler: true }))
  await journal.settle(done.id, async () => undefined)
  const executed = await ended(subject, world.intent())
  const failed = await ended(subject, world.intent(), REJECTED)
  const compensated = await ended(subject, world.intent())
  await undone(subject, world, compensated)
  const ids = [begun, pending, doubt, held, parked, due, dead, compensating, done, executed, failed, compensated]
  return Promise.all(ids.map(({ id }) => readEntry(journal, id)))
}

/** Old entries become compact, and are purged, and nothing else is. */
export function retentionCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'only what has come to its end becomes compact or is purged, and only once it is old enough',
      run: async (subject, world) => {
        const { journal } = subject
        const entries = await inEveryState(subject, world)
        assert.deepEqual([...new Set(entries.map(({ state }) => state))].sort(), [...STATES].sort())
        const finished = entries.filter(isFinished)
        assert.equal(finished.length, 4)
        const read = async () => (await journal.read(entries.map(({ id }) => id))).map((seen) => seen?.entry ?? null)
        for (const terms of [{ compactAfterMs: LONG_MS }, { purgeAfterMs: LONG_MS }, {}]) {
          assert.deepEqual(await walked(journal, aging(world, terms)), { c: 0, p: 0 })
        }
        assert.deepEqual(await read(), entries)
        await subject.elapse(AGE_MS)
        assert.deepEqual(await walked(journal, aging(world, { compactAfterMs: AGE_MS })), { c: 4, p: 0 })
        const after = entries.map((entry) => (isFinished(entry) ? compacted(entry) : entry))
        assert.deepEqual(await read(), after)
        assert.deepEqual(await walked(journal, aging(world, { compactAfterMs: AGE_MS })), { c: 0, p: 0 })
        assert.deepEqual(await walked(journal, aging(world, { purgeAfterMs: AGE_MS })), { c: 0, p: 4 })
        assert.deepEqual(
          await read(),
          after.map((entry) => (isFinished(entry) ? null : entry)),
        )
      },
    },
    {
      name: 'effects and namespaces that a walk is not about do not age',
      run: async (subject, world) => {
        const entry = await ended(subject, world.intent())
        await subject.elapse(AGE_MS)
        for (const other of [{ effects: ['refund'] }, { effects: [] }, { namespace: `not ${world.namespace}` }]) {
          const terms = aging(world, { compactAfterMs: 1, purgeAfterMs: 1, ...other })
          assert.deepEqual(await walked(subject.journal, terms), { c: 0, p: 0 })
        }
        assert.deepEqual(await readEntry(subject.journal, entry.id), entry)
      },
    },
    {
      name: 'a compact entry is still begun, enqueued and claimed by nobody, under its fingerprint',
      run: async (subject, world) => {
        const { journal } = subject
        const intent = world.intent()
        const entry = await ended(subject, intent)
        await subject.elapse(AGE_MS)
        await walked(journal, aging(world, { compactAfterMs: 1 }))
        const begun = accepted((await journal.begin([{ intent, terms: termsOf('me') }]))[0])
        assert.equal(begun.created, false)
        assert.deepEqual(begun.entry, compacted(entry))
        const [enqueued] = await subject.transaction((tx) => journal.enqueue(tx, [{ intent, notBefore: null }]))
        const { state, generation, fingerprint } = entry
        assert.deepEqual(enqueued, { created: false, state, generation, fingerprint })
        assert.equal((await journal.claim(entry.id, termsOf('me')))?.claimed, false)
      },
    },
    {
      name: 'a rejection that is compact can be followed by another generation, which has an input again',
      run: async (subject, world) => {
        const { journal } = subject
        const first = world.intent()
        await ended(subject, first, REJECTED)
        await subject.elapse(AGE_MS)
        assert.deepEqual(await walked(journal, aging(world, { compactAfterMs: 1 })), { c: 1, p: 0 })
        const intent = world.intent({ key: first.key, generation: 2, input: { anew: true } })
        const renewed = await journal.renew({ intent, terms: termsOf('me') })
        assert.equal(renewed?.created, true)
        assert.equal(renewed?.entry.isCompact, false)
        assert.deepEqual((await readEntry(journal, first.id)).input, { anew: true })
        assert.deepEqual(await journal.earlierFingerprints(first.id), [first.fingerprint])
      },
    },
    {
      name: 'former generations stay known as long as their entry, and are purged with it',
      run: async (subject, world) => {
        const { journal } = subject
        const first = world.intent()
        await ended(subject, first, REJECTED)
        const intent = world.intent({ key: first.key, generation: 2, input: 2 })
        const renewed = await journal.renew({ intent, terms: termsOf('me') })
        if (renewed !== null) await writeEvent(journal, renewed.entry, EXECUTED)
        await subject.elapse(AGE_MS)
        await walked(journal, aging(world, { compactAfterMs: 1 }))
        assert.deepEqual(await journal.earlierFingerprints(first.id), [first.fingerprint])
        await walked(journal, aging(world, { purgeAfterMs: 1 }))
        assert.deepEqual(await journal.earlierFingerprints(first.id), [])
      },
    },
    {
      name: 'what is compact is not undone, and what is being undone does not become compact',
      run: async (subject, world) => {
        const { journal, transaction } = subject
        const [old, young] = [await ended(subject, world.intent()), await ended(subject, world.intent())]
        assert.equal((await transaction((tx) => journal.compensations.begin(tx, orderOf(young)))).begun, true)
        await subject.elapse(AGE_MS)
        assert.deepEqual(await walked(journal, aging(world, { compactAfterMs: 1 })), { c: 1, p: 0 })
        const refused = await transaction((tx) => journal.compensations.begin(tx, orderOf(old)))
        assert.ok(!refused.begun && refused.earlier === null)
        assert.equal(refused.reason.code, 'compacted')
        assert.deepEqual(await readEntry(journal, old.id), compacted(old))
        assert.equal(await journal.compensations.read(orderOf(old).undoId), null)
        assert.equal((await readEntry(journal, young.id)).state, 'compensating')
      },
    },
    {
      name: 'the entry of an undoing stays as long as the one that it undid, and the note of it for ever',
      run: async (subject, world) => {
        const { journal } = subject
        const entry = await ended(subject, world.intent())
        const undoing = await undone(subject, world, entry)
        await subject.elapse(AGE_MS)
        const undoings = aging(world, { effects: ['charge/undo'], compactAfterMs: 1, purgeAfterMs: 1 })
        assert.deepEqual(await walked(journal, undoings), { c: 1, p: 0 })
        assert.deepEqual(await readEntry(journal, undoing.id), compacted(undoing))
        const all = aging(world, { effects: ['charge', 'charge/undo'], purgeAfterMs: 1 })
        const first = await walked(journal, all)
        assert.deepEqual(await journal.read([entry.id]), [null])
        // The undoing goes in the same walk where a later step of it comes there, and in the next where one step has both.
        const second = await walked(journal, all)
        assert.deepEqual({ c: first.c + second.c, p: first.p + second.p }, { c: 0, p: 2 })
        assert.deepEqual(await journal.read([undoing.id]), [null])
        assert.equal((await journal.compensations.read(undoing.id))?.state, 'undone')
        assert.equal((await journal.compensations.undoneOf(orderOf(entry)))?.whole, 'done')
      },
    },
    {
      name: 'an entry that somebody has is passed over, and waited for by no walk',
      run: async (subject, world) => {
        const { journal } = subject
        const entry = await ended(subject, world.intent())
        await subject.elapse(AGE_MS)
        const terms = aging(world, { compactAfterMs: 1, purgeAfterMs: 1 })
        const failing = subject.transaction(async (tx) => {
          await journal.compensations.begin(tx, orderOf(entry))
          assert.deepEqual(await walked(journal, terms), { c: 0, p: 0 })
          throw new Error('rolled back')
        })
        await assert.rejects(failing, /rolled back/)
        assert.deepEqual(await walked(journal, terms), { c: 0, p: 1 })
      },
    },
  ]
}
