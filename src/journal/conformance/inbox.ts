import assert from 'node:assert/strict'
import { type InboxMessage, inboxId, type JsonValue } from '../../protocol/index.js'
import { type ConformanceCase, type JournalSubject, LONG_MS, type World } from './subject.js'

/** Of a retention: long beside what forty messages take a slow machine, which must not be forgotten meanwhile. */
const SHORT_MS = 3_000

function messageOf(world: World, id = 'message', retentionMs = LONG_MS): InboxMessage {
  const { namespace } = world
  const names = { namespace, consumer: 'default', source: 'orders' }
  return { id: inboxId(namespace, 'default', 'orders', id), ...names, messageId: id, retentionMs }
}

/** Receives a message in a transaction of the user's own, as an inbox does; true: it was the first time. */
function receive<Tx>(
  { journal, transaction, mark }: JournalSubject<Tx>,
  message: InboxMessage,
  result?: JsonValue,
  last: () => Promise<void> = async () => undefined,
): Promise<boolean> {
  return transaction(async (tx) => {
    const taken = await journal.inbox.take(tx, message)
    if (!taken.first) return false
    await mark(tx, message.id)
    if (result !== undefined) await journal.inbox.decide(tx, message.id, result)
    await last()
    return true
  })
}

/** What a duplicate is told: where it is told that it is none, it is rolled back. */
async function toldOf<Tx>({ journal, transaction }: JournalSubject<Tx>, message: InboxMessage) {
  let told: { readonly first: boolean; readonly result?: JsonValue | undefined } | null = null
  await transaction(async (tx) => {
    told = await journal.inbox.take(tx, message)
    throw new Error('rolled back')
  }).catch(() => undefined)
  return told as { readonly first: boolean; readonly result?: JsonValue | undefined } | null
}

async function marksOf<Tx>({ marks }: JournalSubject<Tx>, message: InboxMessage): Promise<number> {
  return (await marks()).filter((label) => label === message.id).length
}

const WHY = { code: 'broken', message: 'It broke.' }

/** Receiving each message once. */
export function inboxCases<Tx>(): ConformanceCase<Tx>[] {
  return [
    {
      name: 'a message is received once, and every duplicate is told what it led to',
      run: async (subject, world) => {
        for (const [i, result] of [{ order: 'o1', lines: [1, 'two', null] }, null, false, 'ok', undefined].entries()) {
          const message = messageOf(world, `message-${i}`)
          assert.equal(await receive(subject, message, result), true)
          for (let times = 0; times < 2; times++) {
            const told = await toldOf(subject, message)
            assert.equal(told?.first, false)
            assert.deepEqual(told?.result, result)
          }
          assert.equal(await marksOf(subject, message), 1)
        }
      },
    },
    {
      name: 'a message that was rolled back was never received',
      run: async (subject, world) => {
        const message = messageOf(world)
        const failing = receive(subject, message, 'lost', () => Promise.reject(new Error('rolled back')))
        await assert.rejects(failing, /rolled back/)
        assert.equal(await receive(subject, message, 'kept'), true)
        assert.equal((await toldOf(subject, message))?.result, 'kept')
        assert.equal(await marksOf(subject, message), 1)
      },
    },
    {
      name: 'a delivery that comes meanwhile waits, and is told what the first one led to',
      run: async (subject, world) => {
        const message = messageOf(world)
        let second: Promise<boolean> | null = null
        let isSecondOver = false
        const first = receive(subject, message, 'first', async () => {
          second = receive(subject, message, 'second').finally(() => {
            isSecondOver = true
          })
          await subject.elapse(50)
          assert.equal(isSecondOver, false)
        })
        assert.equal(await first, true)
        assert.equal(await second, false)
        assert.equal((await toldOf(subject, message))?.result, 'first')
        assert.equal(await marksOf(subject, message), 1)
      },
    },
    {
      name: 'a delivery that waited for one that was rolled back is the first',
      run: async (subject, world) => {
        const message = messageOf(world)
        let second: Promise<boolean> | null = null
        const first = receive(subject, message, 'first', async () => {
          second = receive(subject, message, 'second')
          await subject.elapse(50)
          throw new Error('rolled back')
        })
        await assert.rejects(first, /rolled back/)
        assert.equal(await second, true)
        assert.equal((await toldOf(subject, message))?.result, 'second')
        assert.equal(await marksOf(subject, message), 1)
      },
    },
    {
      name: 'of many deliveries at once, by several processes, one is the first',
      run: async (subject, world) => {
        const message = messageOf(world)
        const other = { ...subject, journal: await subject.another() }
        const all = Array.from({ length: 12 }, (_, i) => receive(i % 2 === 0 ? subject : other, message, i))
        assert.equal((await Promise.all(all)).filter(Boolean).length, 1)
        assert.equal(await marksOf(subject, message), 1)
      },
    },
    {
      name: 'all who come at once are told what was committed, and never what is not yet',
      run: async ({ journal, transaction }, world) => {
        const message = messageOf(world)
        const told: unknown[] = []
        const all = Array.from({ length: 6 }, () =>
          transaction(async (tx) => {
            const taken = await journal.inbox.take(tx, message)
            if (taken.first) await journal.inbox.decide(tx, message.id, 'decided')
            else told.push(taken.result)
          }),
        )
        await Promise.all(all)
        assert.deepEqual(told, Array(5).fill('decided'))
      },
    },
    {
      name: 'effects that are enqueued with a message exist if it was received, and only then',
      run: async (subject, world) => {
        const { journal, transaction } = subject
        const message = messageOf(world)
        const intent = world.intent()
        const receiveAnd = (last: () => Promise<void>) =>
          transaction(async (tx) => {
            const taken = await journal.inbox.take(tx, message)
            if (taken.first) await journal.enqueue(tx, [{ intent, notBefore: null }])
            await last()
          })
        await assert.rejects(receiveAnd(() => Promise.reject(new Error('rolled back'))))
        assert.deepEqual(await journal.read([intent.id]), [null])
        await receiveAnd(async () => undefined)
        await receiveAnd(async () => undefined)
        assert.equal((await journal.read([intent.id]))[0]?.entry.state, 'pending')
      },
    },
    {
      name: 'what is known of a message is forgotten after its retention, and not before',
      run: async (subject, world) => {
        const { inbox } = subject.journal
        const short = Array.from({ length: 40 }, (_, i) => messageOf(world, `short-${i}`, SHORT_MS))
        const long = messageOf(world, 'long')
        for (const message of [...short, long]) await receive(subject, message)
        await inbox.purge(1_000)
        assert.equal((await Promise.all(short.map((message) => receive(subject, message)))).some(Boolean), false)
        await subject.elapse(SHORT_MS + 100)
        let forgotten = 0
        for (let last = -1; last !== 0; forgotten += last) {
          last = await inbox.purge(8)
          assert.ok(last <= 16, `a batch of ${last}`)
        }
        assert.ok(forgotten >= short.length)
        assert.equal(await receive(subject, long), false)
        assert.equal((await Promise.all(short.map((message) => receive(subject, message)))).every(Boolean), true)
      },
    },
    {
      name: 'redeliveries are counted until the message is received, with why it last failed',
      run: async (subject, world) => {
        const { inbox } = subject.journal
        const message = messageOf(world)
        assert.deepEqual(await inbox.countRedelivery(message), { begun: 1, reason: null })
        assert.deepEqual(await inbox.noteFailure(message, { reason: WHY, redelivered: true }), {
          begun: 1,
          reason: WHY,
        })
        assert.deepEqual(await inbox.countRedelivery(message), { begun: 2, reason: WHY })
        const other = { code: 'other', message: 'It broke otherwise.' }
        assert.deepEqual(await inbox.noteFailure(message, { reason: other, redelivered: true }), {
          ...{ begun: 2, reason: other },
        })
        assert.equal(await receive(subject, message, 'done'), true)
        assert.equal(await inbox.countRedelivery(message), null)
        assert.equal(await inbox.noteFailure(message, { reason: WHY, redelivered: true }), null)
        assert.deepEqual((await toldOf(subject, message))?.result, 'done')
      },
    },
    {
      name: 'a failed first delivery begins the count anew: somebody has sent the message again',
      run: async (subject, world) => {
        const { inbox } = subject.journal
        const message = messageOf(world)
        assert.equal((await inbox.noteFailure(message, { reason: WHY, redelivered: false }))?.begun, 1)
        for (const begun of [2, 3]) assert.equal((await inbox.countRedelivery(message))?.begun, begun)
        assert.equal((await inbox.noteFailure(message, { reason: WHY, redelivered: false }))?.begun, 1)
      },
    },
    {
      name: 'a redelivery that comes while the message is being received waits for it',
      run: async (subject, world) => {
        const { inbox } = subject.journal
        const message = messageOf(world)
        let counting: Promise<unknown> | null = null
        const first = receive(subject, message, undefined, async () => {
          counting = inbox.countRedelivery(message)
          await subject.elapse(50)
        })
        assert.equal(await first, true)
        assert.equal(await counting, null)
      },
    },
  ]
}
