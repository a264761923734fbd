import { type Agenda, type Happening, type Named, PLACES } from '../agenda.js'
import { BEGINS_AT_MS } from '../scene.js'
import type { Choices } from './choices.js'
import { after, type Identity, Memo, ofText } from './identity.js'
import type { Visited } from './visited.js'

interface Pending extends Happening {
  readonly place: number
  readonly identity: Identity
  /** How many happenings of the same moment led to it, one after the other. */
  readonly depth: number
}

/** What the places know that are not lives of workers, in texts. */
export interface Known {
  readonly database: string
  readonly service: string
  readonly heard: string
}

/**
 * An agenda that asks for every decision about order. What is due at the same moment may happen in any order; what is
 * late by more than that is a fault.
 *
 * It also tells states apart. A life is what it has heard, in order; the database and the service are what they know;
 * what is on its way is named by all that its happening depends on: an answer by what was asked and by its words, and
 * not by how it came about. Since everything is deterministic, two histories that agree in all of this, and in what may
 * still go wrong, have the same future: it is explored once. The plain order, from which departures are counted, follows
 * from the state too: first what fewer happenings of the moment led to, and then by place and name. (By the order of
 * planning, as the clock's own agenda has it, two ways to one state would differ in what one departure more can reach.)
 */
export class ExploringAgenda implements Agenda {
  nowMs = BEGINS_AT_MS
  over = false
  restless = 0
  readonly #choices: Choices
  readonly #visited: Visited
  readonly #known: () => Known
  readonly #isDead: (place: number) => boolean
  readonly #lives = new Map<number, Identity>()
  readonly #database = new Memo()
  readonly #service = new Memo()
  readonly #heard = new Memo()
  #pending: Pending[] = []
  #order = 0
  /** What those know who plan something now, but for what they read in the database. */
  #context: Identity = 1
  /** Where what happens now happens. */
  #place = -1
  #depth = 0
  #planned = 0

  constructor(
    choices: Choices,
    visited: Visited,
    world: { readonly known: () => Known; readonly isDead: (place: number) => boolean },
  ) {
    this.#choices = choices
    this.#visited = visited
    this.#known = world.known
    this.#isDead = world.isDead
  }

  at(dueMs: number, restless: boolean, happen: () => void, place: number, named?: Named): Happening {
    const identity = after(named === undefined ? this.asked() : ofText(named()), place)
    const isNow = dueMs <= this.nowMs
    const pending = {
      ...{ dueMs: isNow ? this.nowMs : dueMs, order: this.#order++, restless, happen, cancelled: false },
      ...{ place, identity, depth: isNow ? this.#depth + 1 : 0 },
    }
    this.#pending.push(pending)
    if (restless) this.restless++
    return pending
  }

  asked(): Identity {
    const context =
      this.#place === PLACES.database ? after(this.#context, this.#database.of(this.#known().database)) : this.#context
    return after(context, this.#planned++)
  }

  cancel(happening: Happening): void {
    if (happening.cancelled) return
    happening.cancelled = true
    if (happening.restless) this.restless--
    this.#pending = this.#pending.filter((each) => each !== happening)
  }

  /** Something was decided that those notice who are at work here. */
  decided(what: number): void {
    this.#context = after(this.#context, what)
    if (this.#lives.has(this.#place)) this.#lives.set(this.#place, this.#context)
  }

  next(): Happening | undefined {
    this.#dropTheDead()
    const first = this.#pending.reduce<Pending | undefined>(
      (best, each) => (best && !before(each, best) ? best : each),
      undefined,
    )
    if (first === undefined) return undefined
    const isNewMoment = first.dueMs > this.nowMs
    this.nowMs = first.dueMs
    // Where nothing can be chosen any more, a look at each moment's beginning is enough, and there are fewer of them.
    if ((isNewMoment || !this.#choices.isSpent) && this.#wasHere()) {
      this.over = true
      return undefined
    }
    const enabled = this.#pending.filter((each) => each.dueMs <= this.nowMs).sort((a, b) => (before(a, b) ? -1 : 1))
    const happening = enabled[this.#choices.choose(enabled.length, 'delay')] ?? first
    this.#begin(happening)
    return happening
  }

  #begin(happening: Pending): void {
    this.#pending = this.#pending.filter((each) => each !== happening)
    happening.cancelled = true
    if (happening.restless) this.restless--
    this.#planned = 0
    const { place, identity } = happening
    this.#place = place
    this.#depth = happening.depth
    if (place === PLACES.database || place === PLACES.service || place === PLACES.broker) this.#context = identity
    else {
      this.#context = after(after(this.#lives.get(place) ?? place, identity), this.nowMs * 1_024)
      this.#lives.set(place, this.#context)
    }
  }

  #wasHere(): boolean {
    if (this.#choices.isRetracing) return false
    return this.#visited.covers(this.#state(), this.#choices.left)
  }

  #state(): Identity {
    const { database, service, heard } = this.#known()
    let state = after(this.#database.of(database), this.#service.of(service))
    state = after(state, this.#heard.of(heard))
    state = after(state, this.nowMs * 1_024)
    // Where an order does not matter, sums do not have one.
    let lives = 0
    for (const [place, life] of this.#lives)
      if (!this.#isDead(place)) lives = (lives + after(life, place)) % Number.MAX_SAFE_INTEGER
    let pending = 0
    for (const { identity, dueMs, depth } of this.#pending) {
      pending = (pending + after(after(identity, (dueMs - this.nowMs) * 1_024), depth)) % Number.MAX_SAFE_INTEGER
    }
    return after(after(state, lives), pending)
  }

  #dropTheDead(): void {
    if (!this.#pending.some(({ place }) => this.#isDead(place))) return
    for (const each of [...this.#pending]) if (this.#isDead(each.place)) this.cancel(each)
  }
}

function before(one: Pending, other: Pending): boolean {
  if (one.dueMs !== other.dueMs) return one.dueMs < other.dueMs
  if (one.depth !== other.depth) return one.depth < other.depth
  if (one.place !== other.place) return one.place < other.place
  return one.identity === other.identity ? one.order < other.order : one.identity < other.identity
}
