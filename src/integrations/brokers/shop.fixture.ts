import { Pool } from 'pg'
import { Counterfoil } from '../../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../../journal/postgres/index.js'

/** An application whose messages are orders, and a real database that takes them. */
export interface Shop {
  readonly counterfoil: Counterfoil<PostgresTransaction>
  readonly pool: Pool
  /** Writes an order, as a handler does. */
  place(tx: PostgresTransaction, id: string): Promise<{ order: string }>
  /** How often an order stands in the table. */
  placed(id: string): Promise<number>
  close(): Promise<void>
}

/** Opens the shop in a database. */
export async function openShop(connectionString: string): Promise<Shop> {
  const pool = new Pool({ connectionString, max: 12 })
  pool.on('error', () => undefined)
  await pool.query('CREATE TABLE IF NOT EXISTS orders (id text NOT NULL)')
  const journal = postgresJournal(pool, { listen: false })
  const counterfoil = new Counterfoil({ journal, effects: [] })
  return {
    counterfoil,
    pool,
    place: async (tx, id) => {
      await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
      return { order: id }
    },
    placed: async (id) =>
      (await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM orders WHERE id = $1', [id])).rows[0]
        ?.count ?? 0,
    close: async () => {
      await journal.close()
      await pool.end()
    },
  }
}

/** What has been told so far, and waiting for more of it: a signal instead of a sleep. */
export class Told<T> {
  readonly all: T[] = []
  #wake: () => void = () => undefined

  readonly tell = (item: T): void => {
    this.all.push(item)
    const wake = this.#wake
    this.#wake = () => undefined
    wake()
  }

  /** The first that fits, now or later. */
  async first(fits: (item: T) => boolean): Promise<T> {
    await this.until((all) => all.some(fits))
    const found = this.all.find(fits)
    if (found === undefined) throw new Error('It was told, and is gone.')
    return found
  }

  async until(enough: (all: readonly T[]) => boolean): Promise<void> {
    while (!enough(this.all)) {
      await new Promise<void>((resolve) => {
        const before = this.#wake
        this.#wake = () => {
          before()
          resolve()
        }
      })
    }
  }
}
