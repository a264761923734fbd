interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets concurrent callers share one statement and one commit, without a timer: a lone caller goes at once, and while
 * its batch is under way the next one forms. Nobody goes on before the batch with its own item is done.
 */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>
  readonly #maxItems: number
  readonly #maxUnderWay: number
  #waiting: Waiting<Item, Result>[] = []
  #underWay = 0
  #scheduled = false

  /** `run` answers in the order of its items; an `Error` in a place fails that item alone. */
  constructor(
    run: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>,
    limits: { readonly maxItems: number; readonly maxUnderWay: number },
  ) {
    this.#run = run
    this.#maxItems = limits.maxItems
    this.#maxUnderWay = limits.maxUnderWay
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#schedule()
    })
  }

  // One microtask later, so that callers of the same turn share the batch.
  #schedule(): void {
    if (this.#scheduled || this.#underWay >= this.#maxUnderWay) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      while (this.#waiting.length > 0 && this.#underWay < this.#maxUnderWay) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#maxItems)
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
      this.#underWay--
      if (this.#waiting.length > 0) this.#schedule()
    }
  }
}
