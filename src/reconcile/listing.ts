import {
  type AuditCounts,
  AuditIncomplete,
  type AuditRun,
  type AuditStore,
  type ExternalOperation,
  type ListWindow,
  type StagedOperation,
} from '../protocol/index.js'
import { assertReadable, stagedOf } from './operation.js'

/** Operations in one statement: enough that the database is asked seldom, few enough that memory stays flat. */
const BATCH_OPERATIONS = 1_000

/** A batch is ended where the list could be gone on with, unless that does not come for so long. */
const LONGEST_BATCH_OPERATIONS = 10 * BATCH_OPERATIONS

/**
 * Repeats in a row that are no fault: a service that pages by offset shows an operation again when another has appeared
 * before it. More than this is a page that was shown twice, and the page that should have come was not seen.
 */
const TOLERATED_REPEATS = 2

/** What listing needs to know. */
export interface ListingOf {
  readonly store: AuditStore
  readonly list: (window: ListWindow) => AsyncIterable<ExternalOperation>
  readonly signal: AbortSignal
  /** Called between batches, so that an auditor that lost its lease stops. */
  readonly check: () => void
}

/**
 * Reads the service's whole list of the window into the staging table. While a batch is written, the next is read, so
 * that the service's pages set the pace.
 *
 * @throws {AuditIncomplete} when the list cannot be read to its end, or cannot be believed.
 */
export async function listInto(run: AuditRun, of: ListingOf): Promise<AuditCounts> {
  const listing = new Listing(run, of)
  const window = { fromMs: run.fromMs, toMs: run.toMs, signal: of.signal }
  try {
    for await (const operation of of.list(run.cursor === null ? window : { ...window, after: run.cursor })) {
      assertReadable(operation)
      const writing = listing.add(operation)
      if (writing !== null) await writing
    }
  } catch (error) {
    await listing.settled()
    throw incomplete(error)
  }
  return listing.end()
}

class Listing {
  readonly #run: AuditRun
  readonly #of: ListingOf
  #batch: StagedOperation[] = []
  /** Of the last operation, where it has one: what is listed from there on comes behind all that was seen. */
  #cursor: string | null
  #givesCursors: boolean
  #writing: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | null = null
  #repeatsInARow = 0
  #counts: AuditCounts
  /** Ids of other people's operations are not kept, but a page of them that comes at once again is noticed. */
  readonly #lastForeign = new Recent(BATCH_OPERATIONS)
  #foreignRepeats = 0

  constructor(run: AuditRun, of: ListingOf) {
    this.#run = run
    this.#of = of
    this.#counts = run.counts
    this.#cursor = run.cursor
    this.#givesCursors = run.cursor !== null
  }

  /** A promise to wait for where a batch is full. */
  add(operation: ExternalOperation): Promise<void> | null {
    this.#cursor = operation.cursor ?? null
    this.#givesCursors ||= this.#cursor !== null
    const staged = stagedOf(operation, this.#run)
    if (staged === null) this.#addForeign(operation)
    else this.#batch.push(staged)
    return this.#isFull() ? this.#flush() : null
  }

  #isFull(): boolean {
    const { length } = this.#batch
    if (length < BATCH_OPERATIONS) return false
    return this.#cursor !== null || !this.#givesCursors || length >= LONGEST_BATCH_OPERATIONS
  }

  #addForeign(operation: ExternalOperation): void {
    if (this.#lastForeign.add(operation.externalId)) {
      this.#foreignRepeats = 0
      this.#count({ listed: 1, foreign: 1 })
      return
    }
    this.#count({ repeated: 1 })
    this.#foreignRepeats++
    if (this.#foreignRepeats > TOLERATED_REPEATS) throw repeatedPage(operation.externalId)
  }

  /** Waits for the batch before, so that one is written while the next is read. */
  async #flush(): Promise<void> {
    const batch = this.#batch
    const cursor = this.#cursor
    this.#batch = []
    await this.settled()
    this.#throwFailure()
    this.#of.check()
    this.#writing = this.#write(batch, cursor).catch((error: unknown) => {
      this.#failure = { error }
    })
  }

  async #write(batch: readonly StagedOperation[], cursor: string | null): Promise<void> {
    this.#count({ listed: batch.length })
    const repeated = await this.#of.store.stage(this.#run, batch, { cursor, counts: this.#counts })
    batch.forEach(({ operation }, i) => {
      if (repeated[i] === true) {
        this.#repeatsInARow++
        this.#count({ repeated: 1, listed: -1 })
        if (this.#repeatsInARow > TOLERATED_REPEATS) throw repeatedPage(operation.externalId)
      } else {
        this.#repeatsInARow = 0
      }
    })
  }

  #count(more: { readonly listed?: number; readonly repeated?: number; readonly foreign?: number }): void {
    const { listed, repeated, foreign } = this.#counts
    this.#counts = {
      ...this.#counts,
      listed: listed + (more.listed ?? 0),
      repeated: repeated + (more.repeated ?? 0),
      foreign: foreign + (more.foreign ?? 0),
    }
  }

  settled(): Promise<void> {
    return this.#writing
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw incomplete(this.#failure.error)
  }

  async end(): Promise<AuditCounts> {
    await this.#flush()
    await this.settled()
    this.#throwFailure()
    return this.#counts
  }
}

/** The last so many ids. */
class Recent {
  readonly #size: number
  readonly #ids = new Set<string>()

  constructor(size: number) {
    this.#size = size
  }

  /** False where it was among them. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false
    this.#ids.add(id)
    if (this.#ids.size > this.#size) for (const oldest of this.#ids) return this.#ids.delete(oldest)
    return true
  }
}

function repeatedPage(externalId: string): AuditIncomplete {
  return new AuditIncomplete(
    'repeated_page',
    `The service listed operations again that it had listed before (the last: ${externalId}), so another page may not have been seen. ` +
      'If it pages by offset, end the window where nothing new appears any more.',
  )
}

/** Whatever ends a list before its end makes the audit incomplete. */
function incomplete(error: unknown): unknown {
  if (error instanceof AuditIncomplete || isOurs(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new AuditIncomplete('list_failed', `The service's list could not be read to its end: ${message}`, {
    cause: error,
  })
}

/** A lost lease or a journal that is away say nothing about the service. */
function isOurs(error: unknown): boolean {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return code === 'lease_lost' || code === 'journal'
}
