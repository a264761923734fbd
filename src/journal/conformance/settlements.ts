import assert from 'node:assert/strict'
import type { Entry, Journal } from '../../protocol/index.js'
import { markSettled, noteSettlementFailure, retrySettlement } from '../settlement.js'
import {
  beginNew,
  type ConformanceCase,
  EXECUTED,
  LONG_MS,
  REJECTED,
  readEntry,
  termsOf,
  toMicros,
  UNKNOWN,
  type World,
  writeEvent,
} from './subject.js'

async function settleable<Tx>(journal: Journal<Tx>, world: World, event = EXECUTED): Promise<Entry> {
  const entry = await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me'))
  await writeEvent(journal, entry, event)
  return readEntry(journal, entry.id)
}

/** The `settled` handler's transaction (P8), and wake-ups. */
export function settlementCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'what a settled handler writes and that it has run are committed together',
      run: async ({ journal, mark, marks }, world) => {
        for (const event of [EXECUTED, REJECTED]) {
          const entry = await settleable(journal, world, event)
          const result = await journal.settle(entry.id, async (tx, seen) => {
            assert.deepEqual(seen, entry)
            await mark(tx, entry.id)
          })
          assert.deepEqual(result, { ran: true })
          assert.ok((await marks()).includes(entry.id))
          const after = await readEntry(journal, entry.id)
          assert.deepEqual(after, markSettled(entry, after.updatedAtMs))
        }
      },
    },
    {
      name: 'a settled handler that throws writes nothing, and stays due',
      run: async ({ journal, mark, marks }, world) => {
        const entry = await settleable(journal, world)
        const failing = journal.settle(entry.id, async (tx) => {
          await mark(tx, entry.id)
          throw new Error('the handler broke')
        })
        await assert.rejects(failing, /the handler broke/)
        assert.ok(!(await marks()).includes(entry.id))
        assert.deepEqual(await readEntry(journal, entry.id), entry)
      },
    },
    {
      name: 'a settled handler runs once, however many workers settle at once',
      run: async (subject, world) => {
        const entry = await settleable(subject.journal, world)
        const journals = await Promise.all(Array.from({ length: 5 }, () => subject.another()))
        let runs = 0
        const results = await Promise.all(
          journals.map((journal) =>
            journal.settle(entry.id, async (tx) => {
              runs++
              await subject.mark(tx, entry.id)
            }),
          ),
        )
        assert.equal(runs, 1)
        assert.equal(results.filter((each) => each.ran).length, 1)
        assert.equal((await subject.marks()).filter((label) => label === entry.id).length, 1)
        const again = await subject.journal.settle(entry.id, () => Promise.reject(new Error('it ran again')))
        assert.deepEqual(again, { ran: false, entry: await readEntry(subject.journal, entry.id) })
      },
    },
    {
      name: 'a settled handler does not run before the outcome is known, nor where there is none',
      run: async ({ journal }, world) => {
        const handler = (): Promise<void> => Promise.reject(new Error('it ran'))
        const executing = await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me'))
        assert.equal((await journal.settle(executing.id, handler)).ran, false)
        await writeEvent(journal, executing, UNKNOWN)
        assert.equal((await journal.settle(executing.id, handler)).ran, false)
        const without = await beginNew(journal, world.intent(), termsOf('me'))
        await writeEvent(journal, without, EXECUTED)
        assert.equal((await journal.settle(without.id, handler)).ran, false)
        assert.deepEqual(await journal.settle(world.intent().id, handler), { ran: false, entry: null })
      },
    },
    {
      name: 'a failed settlement is put off or dead, and the outcome stands',
      run: async ({ journal, elapse }, world) => {
        const entry = await settleable(journal, world)
        await journal.settlementFailed(entry.id, 1)
        const postponed = await readEntry(journal, entry.id)
        assert.deepEqual(toMicros(postponed), toMicros(noteSettlementFailure(entry, 1, postponed.updatedAtMs)))
        await elapse(5)
        assert.deepEqual(await journal.dueSettlements([world.effect()], 10), [entry.id])
        await journal.settlementFailed(entry.id, null)
        const dead = await readEntry(journal, entry.id)
        assert.deepEqual(dead, noteSettlementFailure(postponed, null, dead.updatedAtMs))
        assert.equal(dead.state, 'succeeded')
        assert.deepEqual(await journal.dueSettlements([world.effect()], 10), [])
        assert.equal((await journal.settle(entry.id, () => Promise.reject(new Error('it ran')))).ran, false)
      },
    },
    {
      name: 'dead settlements are listed, the oldest first, and one that is tried again is due as a new one is',
      run: async ({ journal, elapse }, world) => {
        const entries = [await settleable(journal, world), await settleable(journal, world, REJECTED)]
        const alive = await settleable(journal, world)
        for (const { id } of entries) await journal.settlementFailed(id, null)
        const ids = async (limit: number, effect = world.effect()): Promise<readonly string[]> =>
          (await journal.deadSettlements.list([effect], limit)).map(({ id }) => id)
        const [first, second] = entries.map(({ id }) => id)
        assert.deepEqual(await ids(10), [first, second])
        assert.deepEqual(await ids(1), [first])
        assert.deepEqual(await ids(10, world.effect('other')), [])
        const dead = await readEntry(journal, first ?? '')
        assert.deepEqual((await journal.deadSettlements.list([world.effect()], 1))[0], dead)
        assert.equal(await journal.deadSettlements.retry(dead.id), true)
        await elapse(2)
        const due = await readEntry(journal, dead.id)
        assert.deepEqual(toMicros(due), toMicros(retrySettlement(dead, due.updatedAtMs)))
        assert.deepEqual(await ids(10), [second])
        assert.deepEqual(await journal.dueSettlements([world.effect()], 10), [first])
        assert.deepEqual(await journal.settle(dead.id, async () => undefined), { ran: true })
        for (const id of [dead.id, alive.id, world.intent().id]) {
          assert.equal(await journal.deadSettlements.retry(id), false)
        }
      },
    },
    {
      name: 'due settlements are told, the longest due first, and no other entry among them',
      run: async ({ journal, elapse }, world) => {
        const entries = [
          await settleable(journal, world),
          await settleable(journal, world),
          await settleable(journal, world),
        ]
        const later = await settleable(journal, world)
        await beginNew(journal, world.intent({ hasSettledHandler: true }), termsOf('me', { leaseMs: 1 }))
        for (const entry of entries) {
          await journal.settlementFailed(entry.id, 1)
          await elapse(2)
        }
        await journal.settlementFailed(later.id, LONG_MS)
        await elapse(5)
        const ids = entries.map((entry) => entry.id)
        assert.deepEqual(await journal.dueSettlements([world.effect()], 10), ids)
        assert.deepEqual(await journal.dueSettlements([world.effect()], 2), ids.slice(0, 2))
        assert.deepEqual(await journal.dueSettlements([world.effect('other')], 10), [])
      },
    },
    {
      name: 'who awaits an entry sees how it stands, and hears of its next change where the journal can tell',
      run: async (subject, world) => {
        const other = await subject.another()
        const entry = await beginNew(subject.journal, world.intent(), termsOf('me'))
        const heard: string[] = []
        let onHeard: () => void = () => undefined
        const stop = other.subscribe((id) => {
          heard.push(id)
          onHeard()
        })
        const [seen, none] = await other.await([entry.id, world.intent().id])
        assert.deepEqual(seen?.entry, toMicros(entry))
        assert.equal(none, null)
        assert.deepEqual((await other.await([entry.id]))[0]?.entry, toMicros(entry))
        if (subject.listening !== null) {
          const waking = new Promise<void>((resolve) => {
            onHeard = () => {
              if (heard.includes(entry.id)) resolve()
            }
          })
          await subject.listening()
          await writeEvent(subject.journal, entry, EXECUTED)
          await waking
        }
        stop()
      },
    },
  ]
}
