/** What happened, in order, in words: who, when, what. */
export interface Told {
  readonly atMs: number
  readonly who: string
  readonly what: string
}

/**
 * The story of one history. It is written only when somebody will read it: `timeline?.tell(…)` does not even make the
 * words otherwise.
 */
export class Timeline {
  readonly told: Told[] = []
  readonly #now: () => number
  readonly #beganAtMs: number

  constructor(now: () => number) {
    this.#now = now
    this.#beganAtMs = now()
  }

  tell(who: string, what: string): void {
    this.told.push({ atMs: this.#now(), who, what })
  }

  /** One line each: seconds since the beginning, who, what. */
  lines(): string[] {
    const width = Math.max(0, ...this.told.map(({ who }) => who.length))
    return this.told.map(({ atMs, who, what }) => {
      const seconds = ((atMs - this.#beganAtMs) / 1_000).toFixed(4).padStart(9)
      return `${seconds}  ${who.padEnd(width)}  ${what}`
    })
  }
}
