import { answersAreTrue } from './answers.js'
import { callsAreAllowed } from './calls.js'
import type { Check, CheckOf, Watched } from './check.js'
import { onlyHoldersWrite } from './holders.js'
import { withinLimits } from './limits.js'
import { oneAtATime } from './order.js'
import { receivedOnce } from './received.js'
import { rejectionsStand } from './rejections.js'
import { undoneOnce } from './repairs.js'
import { booksAgree } from './rest.js'
import { onlyTheOldIsCompact } from './retention.js'
import { settledOnce } from './settled.js'
import { nobodySpins } from './spin.js'
import { allInItsTime } from './time.js'
import { togetherOrNotAtAll } from './together.js'
import { theWorldKeepsItsPromises } from './world.js'

export type { Caller, Check, CheckOf, Heard, Invariant, Watched } from './check.js'

/** Every rule that a history is held to. */
export const CHECKS: readonly CheckOf[] = [
  // First: where the world breaks a promise, what the others see means nothing.
  theWorldKeepsItsPromises,
  callsAreAllowed,
  onlyHoldersWrite,
  oneAtATime,
  answersAreTrue,
  settledOnce,
  rejectionsStand,
  undoneOnce,
  onlyTheOldIsCompact,
  togetherOrNotAtAll,
  receivedOnce,
  booksAgree,
  nobodySpins,
  allInItsTime,
  withinLimits,
]

/** All checks as one. */
export class Checks implements Required<Check> {
  readonly #checks: readonly Check[]

  constructor(world: Watched) {
    this.#checks = CHECKS.map((make) => make(world))
  }

  sends(...about: Parameters<Required<Check>['sends']>): void {
    for (const check of this.#checks) check.sends?.(...about)
  }

  looksUp(...about: Parameters<Required<Check>['looksUp']>): void {
    for (const check of this.#checks) check.looksUp?.(...about)
  }

  ended(...about: Parameters<Required<Check>['ended']>): void {
    for (const check of this.#checks) check.ended?.(...about)
  }

  takes(...about: Parameters<Required<Check>['takes']>): void {
    for (const check of this.#checks) check.takes?.(...about)
  }

  answered(...about: Parameters<Required<Check>['answered']>): void {
    for (const check of this.#checks) check.answered?.(...about)
  }

  happened(...about: Parameters<Required<Check>['happened']>): void {
    for (const check of this.#checks) check.happened?.(...about)
  }

  wrote(...about: Parameters<Required<Check>['wrote']>): void {
    for (const check of this.#checks) check.wrote?.(...about)
  }

  claimed(...about: Parameters<Required<Check>['claimed']>): void {
    for (const check of this.#checks) check.claimed?.(...about)
  }

  changed(...about: Parameters<Required<Check>['changed']>): void {
    for (const check of this.#checks) check.changed?.(...about)
  }

  enqueued(...about: Parameters<Required<Check>['enqueued']>): void {
    for (const check of this.#checks) check.enqueued?.(...about)
  }

  heard(...about: Parameters<Required<Check>['heard']>): void {
    for (const check of this.#checks) check.heard?.(...about)
  }

  erred(...about: Parameters<Required<Check>['erred']>): void {
    for (const check of this.#checks) check.erred?.(...about)
  }

  remembers(): string {
    return this.#checks.map((check) => check.remembers?.() ?? '').join('')
  }

  rests(): void {
    for (const check of this.#checks) check.rests?.()
  }
}
