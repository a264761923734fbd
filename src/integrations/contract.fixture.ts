import { setImmediate } from 'node:timers/promises'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil, defineEffect } from '../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { ConfigurationError, type Journal, type JsonValue, KeyReuseError } from '../protocol/index.js'

interface Order {
  readonly id: string
  readonly customer: string | null
  readonly details: JsonValue
}

/** A library of the user's, as the contract drives it. */
export interface Library {
  /**
   * Runs `body` in one transaction of the library, which ends as `body` does. `addOrder` inserts into `orders (id, cents)`
   * by the library's own means.
   */
  transaction(
    body: (tx: PostgresTransaction, addOrder: (id: string) => PromiseLike<unknown>) => Promise<void>,
  ): Promise<unknown>
  /** What is no transaction of the library, by name, handed to its adapter. */
  readonly refusals: Readonly<Record<string, () => unknown>>
  /** What a transaction that has ended says. */
  readonly ended: RegExp
  close(): Promise<unknown>
}

/** Whatever a serialisation of one's own might spoil. */
const TRICKY: JsonValue = {
  text: `quotes " ' and \\ \\" and { } [ ] , ; $1 ? :a NULL \u{1F600} \u2028 \u0001 \n`,
  words: ['NULL', 'null', '', ' ', '{}', '{"a",NULL}', '\\', '"', '?', '\\?', '$1', ':p', '$', '{x}'],
  numbers: [0, -1, 0.1, 1e21, 5e-324, 9007199254740991],
  nested: [[], [[]], {}, [{ a: null }, [true, false, null]]],
  '': { 'a "key"': 1, __proto__x: 2 },
}

const chargeOrder = defineEffect({
  name: 'charge-order',
  key: (order: Order) => order.id,
  serializeBy: (order) => order.customer ?? 'nobody',
  provider: { execute: async () => ({ id: 'ch_1' }), inDoubt: 'park' },
})

/** What every adapter promises, with the real library on a real PostgreSQL. */
export function outboxContract(name: string, open: (database: TestDatabase) => Promise<Library>): void {
  describe(name, () => {
    let database: TestDatabase
    let pool: Pool
    let library: Library
    let journal: Journal<PostgresTransaction>
    let counterfoil: Counterfoil<PostgresTransaction>

    beforeAll(async () => {
      database = await testDatabase()
      pool = new Pool({ connectionString: database.connectionString, max: 3 })
      await pool.query('CREATE TABLE orders (id text PRIMARY KEY, cents integer NOT NULL)')
      // A schema whose name looks like placeholders of every kind.
      journal = postgresJournal(pool, { schema: 'out$1 box? :of', listen: false })
      counterfoil = new Counterfoil({ journal, effects: [chargeOrder] })
      // Its tables are there, so that statements of its first use are not counted.
      await journal.read([])
      library = await open(database)
    })
    afterAll(async () => {
      await library?.close()
      await journal.close()
      await pool.end()
      await database.drop()
    })

    const enqueue = (tx: PostgresTransaction, id: string, details: JsonValue = null) =>
      counterfoil.enqueue(chargeOrder, { id, customer: null, details }, { tx })

    /** The journal's entries whose key begins so. */
    async function entries(prefix: string): Promise<{ key: string; state: string; input: string }[]> {
      const { rows } = await pool.query<{ key: string; state: string; input: string }>(
        'SELECT key, state, input::text AS input FROM "out$1 box? :of".entries WHERE starts_with(key, $1) ORDER BY position',
        [prefix],
      )
      return rows
    }

    async function hasOrder(id: string): Promise<boolean> {
      return (await pool.query('SELECT 1 FROM orders WHERE id = $1', [id])).rowCount === 1
    }

    test('commits an order and its effect together, with the input as it was given', async () => {
      await library.transaction(async (tx, addOrder) => {
        await addOrder('kept')
        expect(await enqueue(tx, 'kept', TRICKY)).toMatchObject({ created: true })
        expect(await entries('kept')).toEqual([])
        expect(await hasOrder('kept')).toBe(false)
      })
      expect(await hasOrder('kept')).toBe(true)
      const [entry, ...others] = await entries('kept')
      expect(others).toEqual([])
      expect(entry).toMatchObject({ state: 'pending' })
      expect(entry?.input).toBe(JSON.stringify({ id: 'kept', customer: null, details: TRICKY }))
    })

    test('leaves nothing of a transaction that rolled back', async () => {
      const broken = new Error('the card was not accepted')
      const rolledBack = library.transaction(async (tx, addOrder) => {
        await addOrder('rolled-back')
        await enqueue(tx, 'rolled-back')
        throw broken
      })
      await expect(rolledBack).rejects.toThrow(broken.message)
      expect(await entries('rolled-back')).toEqual([])
      expect(await hasOrder('rolled-back')).toBe(false)
    })

    test('writes a hundred effects in one statement, in their order', async () => {
      const many = Array.from({ length: 100 }, (_, i) => ({
        id: `many-${i}`,
        customer: i % 2 === 0 ? null : `"customer" ${i}, {of} \\many`,
        details: [i, TRICKY],
      }))
      let statements = 0
      await library.transaction(async (tx) => {
        const counted: PostgresTransaction = {
          query: (text, values) => {
            statements++
            return tx.query(text, values)
          },
        }
        const enqueued = await counterfoil.enqueueMany(chargeOrder, many, { tx: counted })
        expect(enqueued.every((each) => each.created)).toBe(true)
      })
      expect(statements).toBe(1)
      expect((await entries('many-')).map((entry) => entry.input)).toEqual(many.map((each) => JSON.stringify(each)))
    })

    test('finds an effect that exists already, and rolls back where its key is used for another', async () => {
      await library.transaction((tx) => enqueue(tx, 'known', 'first').then(() => undefined))
      await library.transaction(async (tx) => {
        expect(await enqueue(tx, 'known', 'first')).toMatchObject({ created: false })
      })
      const reusing = library.transaction(async (tx, addOrder) => {
        await addOrder('known')
        await enqueue(tx, 'known', 'second')
      })
      await expect(reusing).rejects.toBeInstanceOf(KeyReuseError)
      expect(await entries('known')).toHaveLength(1)
      expect(await hasOrder('known')).toBe(false)
    })

    test('refuses a transaction that has ended, and writes nothing', async () => {
      let ended: PostgresTransaction | undefined
      await library.transaction(async (tx, addOrder) => {
        ended = tx
        await addOrder('ended')
      })
      expect(await hasOrder('ended')).toBe(true)
      if (ended === undefined) throw new Error('The transaction did not run.')
      await expect(enqueue(ended, 'ended')).rejects.toThrow(library.ended)
      expect(await entries('ended')).toEqual([])
    })

    test('never joins the transaction that has its connection next', async () => {
      let ended: PostgresTransaction | undefined
      await library.transaction(async (tx) => {
        ended = tx
      })
      let late: Promise<unknown> = Promise.resolve()
      const next = library.transaction(async (_tx, addOrder) => {
        await addOrder('next')
        if (ended !== undefined) late = enqueue(ended, 'late')
        await late.catch(() => undefined)
      })
      await next.catch(() => undefined)
      await expect(late).rejects.toThrow(library.ended)
      expect(await entries('late')).toEqual([])
    })

    test('leaves nothing of a transaction that rolled back while the enqueueing was not awaited', async () => {
      // The rollback overtakes the enqueueing at each of its steps.
      for (let steps = 0; steps < 24; steps++) {
        let enqueueing: Promise<unknown> = Promise.resolve()
        const rolledBack = library.transaction(async (tx) => {
          enqueueing = enqueue(tx, `overtaken-${steps}`).catch(() => undefined)
          for (let step = 0; step < steps; step++) await (step < 16 ? undefined : setImmediate())
          throw new Error('rolled back')
        })
        await expect(rolledBack).rejects.toThrow()
        await enqueueing
      }
      expect((await entries('overtaken-')).map((entry) => entry.key)).toEqual([])
    })

    test('refuses what is no transaction, and says what to pass', async () => {
      expect(Object.keys(library.refusals)).not.toEqual([])
      for (const [what, adapt] of Object.entries(library.refusals)) {
        expect(adapt, what).toThrow(ConfigurationError)
        expect(adapt, what).toThrow(/Nothing was written: .* (Pass|Take) /)
      }
    })
  })
}
