import type { Fates, FaultKind, Point, Purpose, Struck } from '../faults.js'
import type { ExploringAgenda } from './agenda.js'
import type { Choices } from './choices.js'

/** Amounts that are not worth exploring: what takes no time may happen in any order anyway. */
const NO_TIME: ReadonlySet<Purpose> = new Set(['request', 'answer', 'work', 'redelivery', 'resume'])

/**
 * Faults that somebody at work notices at once. All others change only what is on its way, and when: those who hear of it
 * tell no difference between two faults that look the same to them, and neither do the states.
 */
const NOTICED: ReadonlySet<FaultKind> = new Set(['transaction_killed', 'handler_throws', 'pause'])

/** Faults that are about time: the others are heard of at once. */
const TIMED: ReadonlySet<FaultKind> = new Set([
  'statement_late',
  'statement_repeated',
  'statement_slow',
  'answer_slow',
  'pause',
  'commit_late',
])

/** Faults that are chosen, wherever one can strike and there is something left to spend. */
export class ChosenFates implements Fates {
  readonly struck: Struck[] = []
  readonly #choices: Choices
  readonly #agenda: ExploringAgenda
  readonly #excluded: ReadonlySet<FaultKind>

  #last: FaultKind = 'notice_lost'

  constructor(choices: Choices, agenda: ExploringAgenda, excluded: ReadonlySet<FaultKind>) {
    this.#choices = choices
    this.#agenda = agenda
    this.#excluded = excluded
  }

  strikes(kind: FaultKind, point: Point): boolean {
    // Wake-ups only save time; without them fewer states differ.
    if (kind === 'notice_lost') return true
    if (this.#excluded.has(kind) || point.isIdle === true) return false
    const struck = this.#choices.choose(2, kind === 'crash' ? 'crash' : 'fault') === 1
    if (!struck) return false
    this.#last = kind
    if (NOTICED.has(kind)) this.#agenda.decided(kind.length)
    this.struck.push({
      id: `${kind}@${point.who >> 8}.${point.who & 255}.${point.count}`,
      kind,
      atMs: this.#agenda.nowMs,
    })
    return true
  }

  /** What takes time takes the most of it, or the least. */
  spread(purpose: Purpose, _: Point, least: number, most: number): number {
    if (NO_TIME.has(purpose)) return 0
    if (purpose === 'fault' && !TIMED.has(this.#last)) return least
    return this.#either(least, most)
  }

  upTo(_: Purpose, __: Point, from: number, latest: number): number {
    return latest <= from ? from : this.#either(from, latest)
  }

  #either(one: number, other: number): number {
    if (this.#choices.left.times === 'most') return other
    return this.#choices.choose(2, 'free') === 0 ? other : one
  }
}
