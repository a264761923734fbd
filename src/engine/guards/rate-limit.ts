/**
 * How many calls may begin: never more than `calls` in any stretch of `perMs`, by a log of when the last ones began. (A
 * token bucket would let twice as many through in a bad moment, and a service counts.)
 */
export class RateLimit {
  readonly #calls: number
  readonly perMs: number
  /** When calls began, the oldest first; at most `calls` of them, unless some were not asked for. */
  #begunAtMs: number[] = []
  /** Calls that are to begin: when they do is not known yet, so each has its place until then. */
  #reserved = 0
  /** At this length the log is looked through: where nobody asks what is free, it would grow with every call. */
  #forgetAtLength: number

  constructor(calls: number, perMs: number) {
    this.#calls = calls
    this.perMs = perMs
    this.#forgetAtLength = 2 * calls
  }

  /** How many calls it remembers. */
  get remembered(): number {
    return this.#begunAtMs.length
  }

  free(nowMs: number): number {
    this.#forget(nowMs)
    return Math.max(0, this.#calls - this.#reserved - this.#begunAtMs.length)
  }

  /** A call begins, whether it is free or not. */
  begin(nowMs: number): void {
    this.#begunAtMs.push(nowMs)
    if (this.#begunAtMs.length < this.#forgetAtLength) return
    this.#forget(nowMs)
    // Twice what is left, so that a call costs the same however many begin in the stretch.
    this.#forgetAtLength = 2 * Math.max(this.#calls, this.#begunAtMs.length)
  }

  /** A call is to begin, whether it is free or not. */
  reserve(): void {
    this.#reserved++
  }

  /** A call that was to begin does so now, or never. */
  giveBack(): void {
    this.#reserved--
  }

  /** How long until one is free, if what is reserved begins now. */
  waitMs(nowMs: number): number {
    if (this.free(nowMs) > 0) return 0
    const places = this.#calls - this.#reserved
    const next = places > 0 ? this.#begunAtMs[this.#begunAtMs.length - places] : undefined
    return next === undefined ? this.perMs : Math.max(0, next + this.perMs - nowMs)
  }

  #forget(nowMs: number): void {
    const first = this.#begunAtMs.findIndex((atMs) => atMs + this.perMs > nowMs)
    if (first !== 0) this.#begunAtMs = first < 0 ? [] : this.#begunAtMs.slice(first)
  }
}
