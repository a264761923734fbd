import {
  ProtocolViolation,
  type RetentionStep,
  type RetentionStore,
  type RetentionTerms,
} from '../../protocol/index.js'
import type { Database } from './database.js'
import type { Statements } from './statements.js'

/** Of 8 kB: a few hundred entries, and a few milliseconds if all of them are old. */
const BLOCKS = 64

/** Retention in rows: a walk over the table, block by block, in the order in which they stand on disk. */
export class PostgresRetention implements RetentionStore {
  readonly #database: Database
  readonly #sql: Statements
  readonly #prepare: () => Promise<unknown>

  constructor(at: { readonly database: Database; readonly sql: Statements; readonly prepare: () => Promise<unknown> }) {
    this.#database = at.database
    this.#sql = at.sql
    this.#prepare = at.prepare
  }

  async begin(share: number): Promise<string | null> {
    await this.#prepare()
    const [row] = await this.#database.read('measure the journal', this.#sql.entryBlocks, [])
    const blocks = Number(row?.[0] ?? 0)
    return blocks === 0 ? null : placeOf({ at: Math.floor(share * blocks) % blocks, left: blocks, of: blocks })
  }

  async step(terms: RetentionTerms, place: string): Promise<RetentionStep> {
    await this.#prepare()
    const { at, left, of } = walkAt(place)
    const count = Math.min(BLOCKS, left, of - at)
    const range = [`(${at},0)`, `(${at + count},0)`]
    const { namespace, effects, compactAfterMs, purgeAfterMs } = terms
    const values = [...range, namespace, effects, compactAfterMs, purgeAfterMs]
    const [row] = await this.#database.write('age entries', this.#sql.age, values)
    const next = left === count ? null : placeOf({ at: (at + count) % of, left: left - count, of })
    return { compacted: Number(row?.[0] ?? 0), purged: Number(row?.[1] ?? 0), next }
  }
}

/** How far a walk is: the block that is next, how many are left, and how many there were when it began. */
interface Walk {
  readonly at: number
  readonly left: number
  readonly of: number
}

function placeOf({ at, left, of }: Walk): string {
  return `${at}/${left}/${of}`
}

function walkAt(place: string): Walk {
  const [at = Number.NaN, left = Number.NaN, of = Number.NaN] = place.split('/').map(Number)
  if (at >= 0 && left > 0 && at < of) return { at, left, of }
  throw new ProtocolViolation(`${JSON.stringify(place)} is no place in this journal. Nothing was written.`)
}
