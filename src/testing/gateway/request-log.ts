import type { FaultKind } from './faults.js'

/**
 * What became of a request on the wire:
 * - `waiting`: received, not yet answered
 * - `answered`: a whole response was handed to the network
 * - `dropped`: the gateway cut the connection
 * - `abandoned`: the client closed the connection before an answer was sent
 */
export type RequestOutcome = 'abandoned' | 'answered' | 'dropped' | 'waiting'

/** One request that reached the gateway. One line is one send: a hidden second send of an SDK is a second line. */
export interface LoggedRequest {
  /** `req_…`, as in the `request-id` header. */
  readonly id: string
  readonly method: string
  readonly path: string
  /** The route that it matched, for example `payment_intents.create`; null if none. */
  readonly route: string | null
  /** The `Idempotency-Key` header as sent; null if none. */
  readonly idempotencyKey: string | null
  /** The `User-Agent` header as sent: which client it was; null if none. */
  readonly userAgent: string | null
  /** From the metadata of the request or of the object that it is about; null if neither says. */
  readonly businessKey: string | null
  /** Wall-clock milliseconds by the gateway's clock. */
  readonly receivedMs: number
  /** When it was no longer `waiting`, by the same clock; null as long as it is. */
  readonly finishedMs: number | null
  readonly fault: FaultKind | null
  /** The operation ran in this very request (a replay did not run it again). Declines count as run. */
  readonly executed: boolean
  /** The response came from the store of idempotency keys. */
  readonly replayed: boolean
  /** The status that was sent, or would have been; null while there is none. */
  readonly status: number | null
  readonly outcome: RequestOutcome
}

/** @internal The same line while the gateway still writes to it. */
export type OpenRequest = { -readonly [Field in keyof LoggedRequest]: LoggedRequest[Field] }

/** Which lines are meant; a field that is left out matches all. */
export interface RequestFilter {
  readonly method?: string
  readonly route?: string
  readonly path?: string
  readonly businessKey?: string
  readonly idempotencyKey?: string
  readonly fault?: FaultKind
}

/** The moments of a request that can be waited for. `finished`: it is no longer `waiting`. */
export type RequestStage = 'executed' | 'finished' | 'received'

interface Waiter {
  readonly stage: RequestStage
  readonly filter: RequestFilter
  readonly resolve: (request: LoggedRequest) => void
}

/** The log of every request that reached the gateway, in the order of arrival. */
export class RequestLog {
  readonly #lines: OpenRequest[] = []
  readonly #waiters = new Set<Waiter>()

  /** Snapshots of the lines that match, oldest first. */
  all(filter: RequestFilter = {}): LoggedRequest[] {
    return this.#lines.filter((line) => matches(line, filter)).map((line) => ({ ...line }))
  }

  /** How many lines match. */
  count(filter: RequestFilter = {}): number {
    return this.#lines.reduce((count, line) => count + (matches(line, filter) ? 1 : 0), 0)
  }

  /**
   * Resolves with the first request that reaches `stage` and matches, from now on or already in the log. It is the
   * signal to wait for instead of sleeping: `await log.until('executed', { businessKey: 'order-7' })`.
   */
  until(stage: RequestStage, filter: RequestFilter = {}): Promise<LoggedRequest> {
    const line = this.#lines.find((candidate) => hasReached(candidate, stage) && matches(candidate, filter))
    if (line !== undefined) return Promise.resolve({ ...line })
    return new Promise((resolve) => this.#waiters.add({ stage, filter, resolve }))
  }

  /** @internal */
  add(line: OpenRequest): void {
    this.#lines.push(line)
    this.reached(line)
  }

  /** @internal Tells the waiters that a line has changed. */
  reached(line: OpenRequest): void {
    if (this.#waiters.size === 0) return
    for (const waiter of this.#waiters) {
      if (!hasReached(line, waiter.stage) || !matches(line, waiter.filter)) continue
      this.#waiters.delete(waiter)
      waiter.resolve({ ...line })
    }
  }

  /** @internal Forgets every line. Waiters stay. */
  clear(): void {
    this.#lines.length = 0
  }
}

function hasReached(line: LoggedRequest, stage: RequestStage): boolean {
  switch (stage) {
    case 'received':
      return true
    case 'executed':
      return line.executed
    case 'finished':
      return line.outcome !== 'waiting'
  }
}

function matches(line: LoggedRequest, filter: RequestFilter): boolean {
  return (
    (filter.method === undefined || filter.method === line.method) &&
    (filter.route === undefined || filter.route === line.route) &&
    (filter.path === undefined || filter.path === line.path) &&
    (filter.businessKey === undefined || filter.businessKey === line.businessKey) &&
    (filter.idempotencyKey === undefined || filter.idempotencyKey === line.idempotencyKey) &&
    (filter.fault === undefined || filter.fault === line.fault)
  )
}
