import type { Clock } from '../system/index.js'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result | Promise<Result>) => void
  readonly reject: (error: unknown) => void
}

/** How batches go. */
export interface BatcherTerms {
  readonly clock: Clock
  readonly maxItems: number
  /** A batch that takes longer waits for something: a row that another transaction has, a server that is away. */
  readonly stallMs: number
  /** So many share a commit well enough: while they wait, a second batch goes beside the one under way. */
  readonly besideItems: number
  /** Batches under way at most, those that wait among them. */
  readonly maxUnderWay: number
}

/** Of those that do not stall. More would share what one commit can carry, and what the database gains by it is gone. */
const SIDE_BY_SIDE = 2

/**
 * Lets concurrent callers share one statement and one commit: a lone caller goes at once, and while its batch is under
 * way the next one forms. Nobody goes on before the batch with its own item is done.
 *
 * One batch at a time, since two would share what one commit can carry, until there are many for each: then a second
 * one fills the time in which this process would wait for the first. And a batch waits as a whole for a row of its that
 * is locked (the key stands in an open transaction of the application's): the next one goes beside it then.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly (Result | Error | Promise<Result>)[]>
  readonly #terms: BatcherTerms
  #waiting: Waiting<Item, Result>[] = []
  #underWay = 0
  /** Those under way that have not taken longer than `stallMs`, the oldest first. */
  readonly #running: UnderWay[] = []
  #scheduled = false
  #watched: UnderWay | null = null
  #cancelWatch: () => void = () => undefined

  /**
   * `run` answers in the order of its items: an `Error` in a place fails that item alone, and by a promise it is answered
   * later than the batch, which is over.
   */
  constructor(
    run: (items: readonly Item[]) => Promise<readonly (Result | Error | Promise<Result>)[]>,
    terms: BatcherTerms,
  ) {
    this.#run = run
    this.#terms = terms
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#schedule()
    })
  }

  // In the next turn, so that all share the batch whose requests, or whose calls' ends, have reached the process together.
  // One microtask later, the first of them would go alone, and the others wait for its commit.
  #schedule(): void {
    if (this.#scheduled) return
    if (!this.#mayGo()) {
      this.#watch()
      return
    }
    this.#scheduled = true
    this.#terms.clock.nextTurn(() => {
      this.#scheduled = false
      while (this.#waiting.length > 0 && this.#mayGo()) void this.#flush()
      if (this.#waiting.length > 0) this.#watch()
    })
  }

  #mayGo(): boolean {
    const running = this.#running.length
    const { besideItems, maxUnderWay } = this.#terms
    if (this.#underWay >= maxUnderWay) return false
    return running === 0 || (running < SIDE_BY_SIDE && this.#waiting.length >= besideItems)
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#terms.maxItems)
    const begun: UnderWay = { atMs: this.#terms.clock.monotonicMs() }
    this.#running.push(begun)
    this.#underWay++
    try {
      const results = await this.#run(batch.map((each) => each.item))
      batch.forEach((each, i) => {
        const result = results[i]
        if (result === undefined) each.reject(new Error('A batch came back without a result for one of its items.'))
        else if (result instanceof Error) each.reject(result)
        else each.resolve(result)
      })
    } catch (error) {
      for (const each of batch) each.reject(error)
    } finally {
      this.#end(begun)
      if (this.#waiting.length > 0) this.#schedule()
    }
  }

  #end(batch: UnderWay): void {
    this.#underWay--
    this.#runsNoMore(batch)
    if (batch === this.#watched) this.#stopWatching()
  }

  #runsNoMore(batch: UnderWay): void {
    const place = this.#running.indexOf(batch)
    if (place !== -1) this.#running.splice(place, 1)
  }

  /** Somebody waits for the oldest batch: should it stall, he goes on without it. A lone caller needs no such timer. */
  #watch(): void {
    const [oldest] = this.#running
    if (oldest === undefined || this.#watched !== null) return
    const { clock, stallMs } = this.#terms
    this.#watched = oldest
    this.#cancelWatch = clock.schedule(Math.max(0, oldest.atMs + stallMs - clock.monotonicMs()), () => {
      this.#watched = null
      this.#runsNoMore(oldest)
      this.#schedule()
    })
  }

  #stopWatching(): void {
    this.#watched = null
    this.#cancelWatch()
  }
}

/** A batch under way. */
interface UnderWay {
  readonly atMs: number
}
