/** Counts work that is under way, so that somebody can wait until there is none. Every effect comes through here. */
export class UnderWay {
  #count = 0
  #waiting: (() => void)[] = []

  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    if (this.#count > 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  /** Resolves when nothing is under way; at once where nothing is. */
  async none(): Promise<void> {
    // What has begun between the last end and our turn counts too.
    while (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
