interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/** Lets concurrent callers share one statement: while a batch is under way, the next one forms. There is no timer. */
export class Batch<Item, Result> {
  readonly #run: (items: Item[]) => Promise<readonly Result[]>
  readonly #most: number
  #waiting: Waiting<Item, Result>[] = []
  #isRunning = false

  /** `run` answers in the order of its items. */
  constructor(run: (items: Item[]) => Promise<readonly Result[]>, most = 256) {
    this.#run = run
    this.#most = most
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      queueMicrotask(() => void this.#loop())
    })
  }

  async #loop(): Promise<void> {
    while (this.#waiting.length > 0) await this.#flush(this.#waiting.splice(0, this.#most))
    this.#isRunning = false
  }

  async #flush(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#run(batch.map(({ item }) => item))
      for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
