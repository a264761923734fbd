import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { CHARGE_ORDER } from './shop.js'

const LOOK_MS = 50
/** Counting must not become the load. */
const LOOK_SHARE = 10

/** How many orders the shop's own table shows as settled: what the load and the faults wait for. */
export class Progress {
  readonly #pool: Pool
  readonly #over: AbortSignal
  readonly #waiting = new Set<() => void>()
  #settled = 0

  /** Looks until `over`. */
  constructor(pool: Pool, over: AbortSignal) {
    this.#pool = pool
    this.#over = over
    void this.#look()
  }

  /** Resolves when at least `count` orders are settled, or when `stop` aborts. */
  async until(count: number, stop: AbortSignal): Promise<void> {
    if (this.#settled >= count || stop.aborted) return
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#settled < count && !stop.aborted) return
        this.#waiting.delete(look)
        stop.removeEventListener('abort', look)
        resolve()
      }
      this.#waiting.add(look)
      stop.addEventListener('abort', look)
    })
  }

  async #look(): Promise<void> {
    while (!this.#over.aborted) {
      const askedAtMs = performance.now()
      const counted = await this.#pool
        .query<{ settled: number }>(
          `select count(distinct key)::integer as settled from settlements where effect = $1`,
          [CHARGE_ORDER],
        )
        // The database is down: it says so itself when it is back.
        .catch(() => null)
      this.#settled = counted?.rows[0]?.settled ?? this.#settled
      for (const look of [...this.#waiting]) look()
      const tookMs = performance.now() - askedAtMs
      await sleep(Math.max(LOOK_MS, tookMs * LOOK_SHARE), undefined, { signal: this.#over }).catch(() => undefined)
    }
  }
}
