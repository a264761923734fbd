import type { Dice } from './dice.js'

/**
 * Everything that can go wrong, by name. The order is part of what a seed means: append, never reorder.
 *
 * The database: `statement_lost`: it never arrived. `answer_lost`: it was carried out, the answer was lost.
 * `statement_late`: the client was told of a broken connection, and the statement is carried out much later all the same.
 * `statement_repeated`: a write is carried out once more, later. `statement_slow`, `answer_slow`: it takes its time.
 * `transaction_killed`: the connection dies before the commit. `notice_lost`: a wake-up is lost.
 *
 * A worker: `crash`: nothing of it continues; another life begins later. `pause`: it stands still while its clock and the
 * world go on (SIGSTOP, a long garbage collection). `handler_throws`: the user's `settled` handler fails.
 *
 * The way to the service: `refused`: no connection. `request_lost`, `request_reset`: nothing arrives, and the caller hears
 * nothing, or of a reset. `request_late`: it arrives when the caller may long have given up. `response_lost`,
 * `response_reset`, `response_slow`: it arrived, and so does the answer, or not, or late.
 *
 * The service: `turned_away`: 429, and it has met our key. `barred`: refused in front of it, which says nothing of our
 * reference. `declined`: for good. `failed`: a 500 that is not stored and did nothing. `failed_stored`: a stored 500 that
 * did nothing. `failed_stored_done`: a stored 500, though it was done. `commit_late`: it happens after the answer was due.
 * `shows_late`: look-ups show it as late as they may. `find_fails`, `find_hangs`, `find_slow`: the look-up.
 *
 * `lease_lies`: the lease service grants what another holds.
 */
export const FAULTS = [
  'statement_lost',
  'answer_lost',
  'statement_late',
  'statement_repeated',
  'statement_slow',
  'answer_slow',
  'transaction_killed',
  'notice_lost',
  'crash',
  'pause',
  'handler_throws',
  'refused',
  'request_lost',
  'request_reset',
  'request_late',
  'response_lost',
  'response_reset',
  'response_slow',
  'turned_away',
  'barred',
  'declined',
  'failed',
  'failed_stored',
  'failed_stored_done',
  'commit_late',
  'shows_late',
  'find_fails',
  'find_hangs',
  'find_slow',
  'lease_lies',
] as const

export type FaultKind = (typeof FAULTS)[number]

const NUMBER_OF: ReadonlyMap<FaultKind, number> = new Map(FAULTS.map((kind, i) => [kind, i + 1]))

/** Where in a history something is decided: the life of a worker that it concerns, and which of its steps. */
export interface Point {
  /** Worker × 256 + life. */
  readonly who: number
  readonly count: number
  /** A look of the loop that finds nothing: losing it changes nothing but when the next one comes. */
  readonly isIdle?: boolean
}

/** A fault that struck, by a name that stays the same when others are left out. */
export interface Struck {
  readonly id: string
  readonly kind: FaultKind
  readonly atMs: number
}

/** Decides what goes wrong where. */
export interface Fates {
  /** Whether this fault strikes here. */
  strikes(kind: FaultKind, point: Point): boolean
  /** A number for what happens here, between `least` and `most`, small ones as likely as large ones. */
  spread(purpose: Purpose, point: Point, least: number, most: number): number
  /** A moment between `from` and `latest`: as often as not the very last one, where promises end. */
  upTo(purpose: Purpose, point: Point, from: number, latest: number): number
}

/** What an amount is drawn for. Numbers apart from those of the faults. */
export const PURPOSES = {
  request: 101,
  answer: 102,
  fault: 103,
  work: 104,
  show: 105,
  order: 106,
  restart: 107,
  redelivery: 108,
  resume: 109,
} as const

export type Purpose = keyof typeof PURPOSES

/** Faults by chance: each kind with the rate that the scenario gives it, until the scenario falls quiet. */
export class RandomFates implements Fates {
  readonly struck: Struck[] = []
  readonly #dice: Dice
  readonly #rates: Readonly<Partial<Record<FaultKind, number>>>
  readonly #without: ReadonlySet<string>
  readonly #quietAtMs: number
  readonly #now: () => number

  constructor(
    dice: Dice,
    plan: {
      readonly rates: Readonly<Partial<Record<FaultKind, number>>>
      readonly without: ReadonlySet<string>
      readonly quietAtMs: number
    },
    now: () => number,
  ) {
    this.#dice = dice
    this.#rates = plan.rates
    this.#without = plan.without
    this.#quietAtMs = plan.quietAtMs
    this.#now = now
  }

  strikes(kind: FaultKind, point: Point): boolean {
    const rate = this.#rates[kind]
    if (rate === undefined || this.#now() >= this.#quietAtMs) return false
    if (this.#dice.at(NUMBER_OF.get(kind) ?? 0, point.who, point.count) >= rate) return false
    const id = `${kind}@${point.who >> 8}.${point.who & 255}.${point.count}`
    if (this.#without.has(id)) return false
    this.struck.push({ id, kind, atMs: this.#now() })
    return true
  }

  spread(purpose: Purpose, point: Point, least: number, most: number): number {
    return least * (most / least) ** this.#dice.at(PURPOSES[purpose], point.who, point.count)
  }
  upTo(purpose: Purpose, point: Point, from: number, latest: number): number {
    const thrown = this.#dice.at(PURPOSES[purpose], point.who, point.count) * 2
    return latest <= from || thrown >= 1 ? Math.max(from, latest) : from + (latest - from) * thrown
  }
}
