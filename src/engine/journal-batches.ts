import type { Begun, Journal, JournalError, JournalWrite, Renewal, Written } from '../protocol/index.js'
import type { Clock } from '../system/index.js'
import { Batcher, type BatcherTerms } from './batcher.js'

/** Rows in one statement: enough that one commit serves many callers, few enough that its plan stays flat. */
const BATCH_ROWS = 256

/** So many rows share a commit, that each one's part of it is little beside what the row itself costs. */
const BESIDE_ROWS = 48

/** Many times what a commit takes; the next batch goes beside one that takes longer. */
const STALL_MS = 50

/** Each stalled batch holds a connection of the application's pool, which has ten where nobody says otherwise. */
const BATCHES_UNDER_WAY = 4

type Item = Renewal | JournalWrite
type Answer = Begun | Written | JournalError

/**
 * What a process begins and writes, in batches. What is begun and what is written at one time share a statement and a
 * commit, where the journal can do that.
 */
export class JournalBatches {
  readonly #journal: Pick<Journal, 'begin' | 'write' | 'beginAndWrite'>
  readonly #together: Batcher<Item, Begun | Written>
  readonly #begins: Batcher<Renewal, Begun>
  readonly #writes: Batcher<JournalWrite, Written>
  /** Those of which one waits for an open transaction: none of the others has to wait with it. */
  readonly #alone: Batcher<Renewal, Begun>

  constructor(journal: Pick<Journal, 'begin' | 'write' | 'beginAndWrite'>, clock: Clock) {
    this.#journal = journal
    const terms: BatcherTerms = {
      clock,
      maxItems: BATCH_ROWS,
      besideItems: BESIDE_ROWS,
      stallMs: STALL_MS,
      maxUnderWay: BATCHES_UNDER_WAY,
    }
    this.#together = new Batcher<Item, Begun | Written>((items) => this.#do(items), terms)
    this.#begins = new Batcher<Renewal, Begun>((items) => journal.begin(items), terms)
    this.#writes = new Batcher<JournalWrite, Written>((items) => journal.write(items), terms)
    this.#alone = new Batcher<Renewal, Begun>((items) => journal.begin(items), { ...terms, maxItems: 1 })
  }

  begin(item: Renewal): Promise<Begun> {
    if (this.#journal.beginAndWrite === undefined) return this.#begins.add(item)
    // What comes of an item is of its kind (`#do`).
    return this.#together.add(item) as Promise<Begun>
  }

  write(item: JournalWrite): Promise<Written> {
    if (this.#journal.beginAndWrite === undefined) return this.#writes.add(item)
    return this.#together.add(item) as Promise<Written>
  }

  async #do(items: readonly Item[]): Promise<readonly (Answer | Promise<Begun | Written>)[]> {
    const begins = items.filter(isBegin)
    const writes = items.filter(isWrite)
    if (begins.length === 0) return this.#journal.write(writes)
    const done = (await this.#journal.beginAndWrite?.(begins, writes)) ?? 'apart'
    // Answered by others: whoever has to wait there keeps nobody waiting here.
    if (typeof done === 'string') {
      const begun = done === 'blocked' ? this.#alone : this.#begins
      return items.map((item) => (isBegin(item) ? begun.add(item) : this.#writes.add(item)))
    }
    const begun = done.begun.values()
    const written = done.written.values()
    return items.map((item) => (isBegin(item) ? begun : written).next().value as Answer)
  }
}

function isBegin(item: Item): item is Renewal {
  return 'intent' in item
}

function isWrite(item: Item): item is JournalWrite {
  return !isBegin(item)
}
