import type { Fates, FaultKind, Point, Purpose, Struck } from '../faults.js'
import type { ExploringAgenda } from './agenda.js'
import type { Choices } from './choices.js'

/** Amounts that are not worth exploring: what takes no time may happen in any order anyway. */
const NO_TIME: ReadonlySet<Purpose> = new Set(['request', 'answer', 'work', 'redelivery', 'resume'])

/** Faults that are chosen, where the world allows them, each as soon as there is something left to spend. */
export class ChosenFates implements Fates {
  readonly struck: Struck[] = []
  readonly #choices: Choices
  readonly #agenda: ExploringAgenda
  readonly #kinds: ReadonlySet<FaultKind>

  constructor(choices: Choices, agenda: ExploringAgenda, kinds: ReadonlySet<FaultKind>) {
    this.#choices = choices
    this.#agenda = agenda
    this.#kinds = kinds
  }

  strikes(kind: FaultKind, point: Point): boolean {
    // Wake-ups only save time; without them fewer states differ.
    if (kind === 'notice_lost') return true
    if (!this.#kinds.has(kind) || point.isIdle === true) return false
    const struck = this.#choices.choose(2, kind === 'crash' ? 'crash' : 'fault') === 1
    if (!struck) return false
    this.#agenda.decided(kind.length * 31 + kind.charCodeAt(0) + kind.charCodeAt(kind.length - 1))
    this.struck.push({
      id: `${kind}@${point.who >> 8}.${point.who & 255}.${point.count}`,
      kind,
      atMs: this.#agenda.nowMs,
    })
    return true
  }

  /** What takes time takes the least of it or the most. */
  spread(purpose: Purpose, _: Point, least: number, most: number): number {
    if (NO_TIME.has(purpose)) return 0
    return this.#either(least, most)
  }

  upTo(_: Purpose, __: Point, from: number, latest: number): number {
    return latest <= from ? from : this.#either(from, latest)
  }

  #either(one: number, other: number): number {
    const picked = this.#choices.choose(2, 'free')
    this.#agenda.decided(picked + 7)
    return picked === 0 ? other : one
  }
}
