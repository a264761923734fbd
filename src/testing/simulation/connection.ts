import type { MemoryTransaction } from '../../journal/memory/index.js'
import { type Journal, JournalError, type LeaseService } from '../../protocol/index.js'
import { type Named, PLACES } from './agenda.js'
import type { Database } from './database.js'
import type { Point } from './faults.js'
import type { Scene } from './scene.js'
import type { Life } from './worker.js'

export type Operation = keyof Journal | keyof LeaseService

/** What the loop asks to see whether there is anything to do. */
const LOOKS: ReadonlySet<Operation> = new Set(['claimDue', 'heads', 'dueSettlements', 'nextDueInMs'])

const CUT_OFF = 'the connection was closed in the middle of a transaction'

/** What is special about a statement. */
export interface Manner<T> {
  /** A driver or a proxy may carry it out once more. */
  readonly repeatable?: boolean
  /** Whether it has changed rows, by its result: the checks look at all rows only then. */
  readonly changed: (result: T) => boolean
}

/** How a statement ends for the one who sent it. */
interface Caller<T> {
  /** What its answer is named by. */
  readonly asked: number
  readonly resolve: (result: T) => void
  readonly reject: (error: unknown) => void
  readonly lose: (delayMs: number, problem: string) => void
}

/**
 * The way of one life's statements to the database. A statement takes time to arrive, is carried out at one moment, and
 * its answer takes time to come back; each of the three can go wrong.
 */
export class Connection {
  readonly #scene: Scene
  readonly #database: Database
  readonly #life: Life
  readonly #leaseMs: number

  constructor(scene: Scene, database: Database, life: Life) {
    this.#scene = scene
    this.#database = database
    this.#life = life
    this.#leaseMs = scene.terms.timeoutMs + scene.terms.graceMs
  }

  ask<T>(operation: Operation, manner: Manner<T>, carryOut: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.#life.alive) return
      const asked = this.#scene.agenda.asked()
      const lose = this.#losing(operation, asked, reject)
      this.#send(operation, manner, carryOut, { asked, resolve, reject, lose })
    })
  }

  /**
   * A statement in an open transaction. Where it or its answer is lost, so is the connection: everything that the
   * transaction has written is undone, and nothing of it arrives later.
   */
  askInside<T>(operation: Operation, tx: MemoryTransaction, carryOut: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.#life.alive) return
      const { fates, agenda } = this.#scene
      const asked = agenda.asked()
      const caller = { asked, resolve, reject, lose: this.#losing(operation, asked, reject) }
      const point = this.#life.point()
      if (!tx.isOpen) {
        caller.lose(1, CUT_OFF)
      } else if (fates.strikes('statement_lost', point)) {
        this.#database.rollback(tx)
        caller.lose(fates.spread('fault', point, 1, 500), 'connection lost in a transaction')
      } else {
        const slowMs = fates.strikes('statement_slow', point) ? fates.spread('fault', point, 50, 2 * this.#leaseMs) : 0
        const named = (): string => `${asked} arrives`
        this.#inDatabase(slowMs + fates.spread('request', point, 0.2, 3), named, () => {
          if (!tx.isOpen) return caller.lose(1, CUT_OFF)
          this.#database.works(tx)
          this.#answerInside(point, tx, carryOut(), caller)
        })
      }
    })
  }

  #answerInside<T>(point: Point, tx: MemoryTransaction, carriedOut: Promise<T>, caller: Caller<T>): void {
    const { fates } = this.#scene
    carriedOut.then(
      (result) => {
        if (!tx.isOpen) return caller.lose(1, CUT_OFF)
        if (fates.strikes('answer_lost', point)) {
          this.#database.rollback(tx)
          return caller.lose(fates.spread('fault', point, 1, 500), 'connection lost in a transaction')
        }
        const named = (): string => `${caller.asked}: ${inWords(result)}`
        this.#life.hears(this.#answerMs(point), () => caller.resolve(result), { named })
      },
      (error: unknown) => {
        // It waited for another transaction, and its own was undone meanwhile.
        if (!tx.isOpen) return caller.lose(1, CUT_OFF)
        const named = (): string => `${caller.asked} fails: ${inWords(error)}`
        this.#life.hears(this.#answerMs(point), () => caller.reject(error), { named })
      },
    )
  }

  #losing(operation: Operation, asked: number, reject: (error: unknown) => void): Caller<never>['lose'] {
    return (delayMs, problem) => {
      const hear = (): void => {
        this.#scene.timeline?.tell(this.#life.name, `hears of ${operation}: ${problem}`)
        reject(lost(problem))
      }
      this.#life.hears(delayMs, hear, { named: () => `${asked}: ${problem}` })
    }
  }

  #answerMs(point: Point): number {
    const { fates } = this.#scene
    const slowMs = fates.strikes('answer_slow', point) ? fates.spread('fault', point, 50, 2 * this.#leaseMs) : 0
    return fates.spread('answer', point, 0.2, 3) + slowMs
  }

  /** There and back once, for a statement in an open transaction. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#life.hears(this.#scene.fates.spread('answer', this.#life.point(), 0.4, 6), resolve)
    })
  }

  /** There: what follows happens in the database, whether the worker lives or not. */
  arrival(): Promise<void> {
    const delayMs = this.#scene.fates.spread('request', this.#life.point(), 0.2, 3)
    return new Promise((resolve) => this.#inDatabase(delayMs, undefined, resolve))
  }

  #send<T>(operation: Operation, manner: Manner<T>, carryOut: () => Promise<T>, caller: Caller<T>): void {
    const { fates } = this.#scene
    const isLook = LOOKS.has(operation)
    const point = { ...this.#life.point(), isIdle: isLook }
    const perform = (): Promise<T> => this.#carryOut(manner, carryOut)
    if (this.#database.down) {
      caller.lose(1, 'connection refused')
    } else if (fates.strikes('statement_lost', point)) {
      caller.lose(fates.spread('fault', point, 1, 500), 'connection lost')
    } else if (fates.strikes('statement_late', point)) {
      this.#afterwards(
        caller.asked,
        fates.spread('fault', point, 50, 3 * this.#leaseMs),
        `a late ${operation}`,
        perform,
      )
      caller.lose(fates.spread('answer', point, 1, 500), 'connection lost')
    } else {
      const slowMs = fates.strikes('statement_slow', point) ? fates.spread('fault', point, 50, 2 * this.#leaseMs) : 0
      const named = (): string => `${caller.asked} arrives`
      this.#inDatabase(slowMs + fates.spread('request', point, 0.2, 3), named, () => {
        if (this.#database.down) return caller.lose(1, 'connection lost')
        if (manner.repeatable === true && fates.strikes('statement_repeated', point)) {
          const laterMs = fates.spread('fault', point, 1, 3 * this.#leaseMs)
          this.#afterwards(caller.asked, laterMs, `once more a ${operation}`, perform)
        }
        const found = (result: T): boolean => !isLook || (Array.isArray(result) && result.length > 0)
        this.#answer(point, perform(), { ...caller, found })
      })
    }
  }

  #answer<T>(
    asked: Point,
    carriedOut: Promise<T>,
    caller: Caller<T> & { readonly found: (result: T) => boolean },
  ): void {
    const { fates } = this.#scene
    const { epoch } = this.#database
    carriedOut.then(
      (result) => {
        const point = { ...asked, isIdle: !caller.found(result) }
        const isCutOff = this.#database.epoch !== epoch || fates.strikes('answer_lost', point)
        if (isCutOff) caller.lose(fates.spread('fault', point, 1, 500), 'connection lost after it was carried out')
        else {
          const named = (): string => `${caller.asked}: ${inWords(result)}`
          this.#life.hears(this.#answerMs(point), () => caller.resolve(result), { isIdle: point.isIdle, named })
        }
      },
      (error: unknown) => {
        const named = (): string => `${caller.asked} fails: ${inWords(error)}`
        this.#life.hears(this.#answerMs(asked), () => caller.reject(error), { named })
      },
    )
  }

  /** A statement of which nobody hears any more. */
  #afterwards(asked: number, delayMs: number, what: string, perform: () => Promise<unknown>): void {
    const named = (): string => `${asked}: ${what}`
    this.#inDatabase(delayMs, named, () => {
      this.#scene.timeline?.tell('database', `carries out ${what} of ${this.#life.name}`)
      if (!this.#database.down) perform().catch(() => undefined)
    })
  }

  #inDatabase(delayMs: number, named: Named | undefined, happen: () => void): void {
    const { agenda, nowMs } = this.#scene
    agenda.at(nowMs + delayMs, true, happen, PLACES.database, named)
  }

  async #carryOut<T>(manner: Manner<T>, carryOut: () => Promise<T>): Promise<T> {
    try {
      const result = await carryOut()
      if (manner.changed(result)) this.#database.refresh()
      return result
    } catch (error) {
      this.#database.refresh()
      throw error
    }
  }
}

/** An answer as a text; of an error `JSON.stringify` keeps nothing. */
export function inWords(answer: unknown): string {
  return JSON.stringify(answer, (_, value: unknown) => (value instanceof Error ? `${value}` : value)) ?? 'nothing'
}

/** What a client is told when its connection breaks. */
export function lost(problem: string): JournalError {
  return new JournalError(`The database: ${problem}.`)
}
