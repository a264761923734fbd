import assert from 'node:assert/strict'
import {
  type CompensationBegun,
  type CompensationOrder,
  callOffChange,
  type Entry,
  entryId,
  evidenceChange,
} from '../../protocol/index.js'
import {
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

const TOTAL = { minorUnits: 100, currency: 'eur' }
const WHY = { code: 'refused', message: 'It was refused.' }

async function executed<Tx>({ journal }: JournalSubject<Tx>, world: World, group?: string): Promise<Entry> {
  const intent = { ...world.intent({ hasSettledHandler: true }), group: group ?? null }
  const entry = await beginNew(journal, intent, termsOf('me'))
  // Every operation has an id of its own at the service.
  const outcome = { kind: 'executed' as const, receipt: { id: entry.key }, externalId: `ch_${entry.key}` }
  await writeEvent(journal, entry, { ...EXECUTED, outcome } as typeof EXECUTED)
  return readEntry(journal, entry.id)
}

function orderOf(entry: Entry, refundKey = 'all', part: number | null = null): CompensationOrder {
  const { namespace, effect, externalId } = entry
  return {
    undoId: entryId(namespace, `${effect}/undo`, `${externalId} ${refundKey}`),
    ...{ namespace, effect, externalId: externalId ?? '', entryId: entry.id },
    part: part === null ? null : { ...TOTAL, minorUnits: part },
    ...{ total: TOTAL, reason: 'because', actor: 'somebody', findingId: null },
  }
}

function begin<Tx>(subject: JournalSubject<Tx>, order: CompensationOrder): Promise<CompensationBegun> {
  return subject.transaction((tx) => subject.journal.compensations.begin(tx, order))
}

function end<Tx>({ journal, transaction }: JournalSubject<Tx>, { undoId }: CompensationOrder, undone: boolean) {
  return transaction((tx) =>
    journal.compensations.end(tx, undoId, undone ? { undone } : { undone: false, reason: WHY }),
  )
}

/** Undoing what was executed (P10), and what is settled by somebody who does not hold the entry. */
export function compensationCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'an entry is compensating from the commit that begins its undoing, and compensated from the one that ends it',
      run: async (subject, world) => {
        const { journal } = subject
        const entry = await executed(subject, world)
        const order = orderOf(entry)
        assert.deepEqual(await begin(subject, order), { begun: true, minorUnits: null })
        const compensating = await readEntry(journal, entry.id)
        assert.deepEqual(compensating, { ...entry, state: 'compensating', updatedAtMs: compensating.updatedAtMs })
        await end(subject, order, true)
        const compensated = await readEntry(journal, entry.id)
        assert.deepEqual(compensated, { ...entry, state: 'compensated', updatedAtMs: compensated.updatedAtMs })
        assert.equal((await journal.compensations.read(order.undoId))?.state, 'undone')
        assert.deepEqual(await journal.compensations.undoneOf(order), {
          ...{ total: TOTAL, reservedMinorUnits: 0, undoneMinorUnits: 100, whole: 'done' },
        })
      },
    },
    {
      name: 'an undoing that is rolled back has not begun',
      run: async (subject, world) => {
        const entry = await executed(subject, world)
        const failing = subject.transaction(async (tx) => {
          await subject.journal.compensations.begin(tx, orderOf(entry))
          throw new Error('rolled back')
        })
        await assert.rejects(failing, /rolled back/)
        assert.deepEqual(await readEntry(subject.journal, entry.id), entry)
        assert.equal(await subject.journal.compensations.read(orderOf(entry).undoId), null)
      },
    },
    {
      name: 'the same undoing begins once, however many ask at once',
      run: async (subject, world) => {
        const order = orderOf(await executed(subject, world))
        const results = await Promise.all(Array.from({ length: 4 }, () => begin(subject, order)))
        assert.equal(results.filter((each) => each.begun).length, 1)
        for (const each of results) if (!each.begun) assert.equal(each.earlier?.undoId, order.undoId)
        await end(subject, order, true)
        const later = await begin(subject, order)
        assert.equal(later.begun === false && later.earlier?.state, 'undone')
      },
    },
    {
      name: 'parts that are asked for at once never come to more than the whole',
      run: async (subject, world) => {
        const entry = await executed(subject, world)
        const orders = ['a', 'b', 'c', 'd'].map((refundKey) => orderOf(entry, refundKey, 40))
        const results = await Promise.all(orders.map((order) => begin(subject, order)))
        const begun = orders.filter((_, i) => results[i]?.begun)
        assert.equal(begun.length, 2)
        for (const order of begun) await end(subject, order, true)
        assert.equal((await readEntry(subject.journal, entry.id)).state, 'succeeded')
        const rest = orderOf(entry, 'rest')
        assert.deepEqual(await begin(subject, rest), { begun: true, minorUnits: 20 })
        await end(subject, rest, true)
        assert.equal((await readEntry(subject.journal, entry.id)).state, 'compensated')
      },
    },
    {
      name: 'a refused undoing leaves the entry succeeded, with the reason, and its amount free again',
      run: async (subject, world) => {
        const entry = await executed(subject, world)
        const order = orderOf(entry, 'first', 60)
        await begin(subject, order)
        await end(subject, order, false)
        await end(subject, order, true)
        const after = await readEntry(subject.journal, entry.id)
        assert.equal(after.state, 'succeeded')
        assert.equal(after.reason?.code, 'compensation_rejected')
        assert.equal((await begin(subject, orderOf(entry, 'second', 100))).begun, true)
        assert.equal((await readEntry(subject.journal, entry.id)).reason, null)
      },
    },
    {
      name: 'what has not happened cannot be undone, and an operation that no entry stands for can',
      run: async (subject, world) => {
        const failed = await beginNew(subject.journal, world.intent(), termsOf('me'))
        await writeEvent(subject.journal, failed, REJECTED)
        const nothing = await begin(subject, { ...orderOf({ ...failed, externalId: 'ch_none' }) })
        assert.equal(nothing.begun === false && nothing.earlier === null && nothing.reason.code, 'not_executed')
        const orphan = { ...orderOf({ ...failed, externalId: `ch_orphan ${failed.key}` }), entryId: null }
        assert.deepEqual(await begin(subject, orphan), { begun: true, minorUnits: null })
        await end(subject, orphan, true)
        assert.equal((await readEntry(subject.journal, failed.id)).state, 'failed')
      },
    },
    {
      name: 'a settled handler that was due when the undoing began is still run, told of the execution',
      run: async (subject, world) => {
        const entry = await executed(subject, world)
        await begin(subject, orderOf(entry))
        await end(subject, orderOf(entry), true)
        const result = await subject.journal.settle(entry.id, async (tx, seen) => {
          assert.equal(seen.state, 'compensated')
          await subject.mark(tx, entry.id)
        })
        assert.deepEqual(result, { ran: true })
        assert.ok((await subject.marks()).includes(entry.id))
      },
    },
    {
      name: 'an undoing and a settled handler of one entry go one after the other',
      run: async (subject, world) => {
        const { journal } = subject
        const order = orderOf(await executed(subject, world))
        const entryOfOrder = order.entryId ?? ''
        const told: string[] = []
        let undoing: Promise<unknown> = Promise.resolve()
        await journal.settle(entryOfOrder, async () => {
          undoing = begin(subject, order).then(() => told.push('undoing began'))
          for (let i = 0; i < 20; i++) await journal.read([entryOfOrder])
          told.push('handler ran')
        })
        await undoing
        assert.deepEqual(told, ['handler ran', 'undoing began'])
        await subject.transaction(async (tx) => {
          await journal.compensations.end(tx, order.undoId, { undone: true })
          assert.equal((await journal.settle(entryOfOrder, () => Promise.reject(new Error('held')))).ran, false)
        })
      },
    },
    {
      name: 'an undoing ends once, however many say so at once',
      run: async (subject, world) => {
        const order = orderOf(await executed(subject, world), 'part', 40)
        await begin(subject, order)
        await Promise.all([end(subject, order, true), end(subject, order, true), end(subject, order, false)])
        const sofar = await subject.journal.compensations.undoneOf(order)
        assert.equal(sofar?.reservedMinorUnits, 0)
        assert.ok([0, 40].includes(sofar.undoneMinorUnits))
      },
    },
    {
      name: 'evidence settles an entry that nobody holds, once, and ends what an earlier holder could write',
      run: async ({ journal }, world) => {
        const entry = await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me'))
        await writeEvent(journal, entry, UNKNOWN)
        const doubt = await readEntry(journal, entry.id)
        const change = evidenceChange(doubt, { kind: 'present', receipt: { id: 'ch_1' }, externalId: 'ch_1' })
        const write = { id: doubt.id, fence: doubt.fence, state: 'in_doubt' as const, change }
        const after = await journal.settleByEvidence(write)
        assert.equal(after?.entry.state, 'succeeded')
        assert.equal(after?.entry.fence, doubt.fence + 1)
        assert.equal(after?.entry.inDoubtSinceMs, null)
        assert.deepEqual(await readEntry(journal, entry.id), after?.entry)
        assert.equal(await journal.settleByEvidence(write), null)
        assert.deepEqual(await writeEvent(journal, entry, EXECUTED), { applied: false })
      },
    },
    {
      name: 'evidence changes nothing of an entry that is held, or that has moved on',
      run: async ({ journal, elapse }, world) => {
        const entry = await beginNew(journal, world.intent(), termsOf('me'))
        await writeEvent(journal, entry, { ...UNKNOWN, retryInMs: 1 } as typeof UNKNOWN)
        const doubt = await readEntry(journal, entry.id)
        const change = evidenceChange(doubt, { kind: 'present', receipt: null, externalId: 'ch_1' })
        await elapse(5)
        const claimed = await journal.claim(entry.id, termsOf('resolver', { leaseMs: LONG_MS }))
        assert.equal(claimed?.claimed, true)
        for (const fence of [doubt.fence, doubt.fence + 1]) {
          assert.equal(await journal.settleByEvidence({ id: entry.id, fence, state: 'in_doubt', change }), null)
        }
        assert.deepEqual(await readEntry(journal, entry.id), claimed?.entry)
      },
    },
    {
      name: 'what is pending can be called off, and is then claimed by nobody',
      run: async ({ journal, transaction }, world) => {
        const intent = world.intent()
        await transaction((tx) => journal.enqueue(tx, [{ intent, notBefore: null }]))
        const entry = await readEntry(journal, intent.id)
        const change = callOffChange(entry, WHY)
        const after = await journal.settleByEvidence({ id: entry.id, fence: entry.fence, state: 'pending', change })
        assert.equal(after?.entry.state, 'failed')
        assert.equal((await journal.claim(entry.id, termsOf('me')))?.claimed, false)
      },
    },
    {
      name: 'a group is read with the last executed first, and nobody else is in it',
      run: async (subject, world) => {
        const group = `checkout ${world.namespace}`
        const keys: string[] = []
        for (let i = 0; i < 3; i++) {
          keys.unshift((await executed(subject, world, group)).key)
          await subject.elapse(2)
        }
        await executed(subject, world, 'another')
        const read = await subject.journal.readGroup(world.namespace, group)
        assert.deepEqual(
          read.map((entry) => entry.key),
          keys,
        )
        assert.deepEqual(await subject.journal.readGroup('elsewhere', group), [])
      },
    },
  ]
}
