import { type Agenda, type Happening, PLACES } from '../agenda.js'
import { BEGINS_AT_MS } from '../scene.js'
import type { Choices } from './choices.js'
import { after, type Identity, Memo } from './identity.js'

interface Pending extends Happening {
  readonly place: number
  readonly identity: Identity
  dueMs: number
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
 * what is on its way is named by where it came from. Since everything is deterministic, two histories that agree in all
 * of this, and in what may still go wrong, have the same future: it is explored once.
 */
export class ExploringAgenda implements Agenda {
  nowMs = BEGINS_AT_MS
  over = false
  restless = 0
  readonly #choices: Choices
  readonly #visited: Set<Identity>
  readonly #known: () => Known
  readonly #isDead: (place: number) => boolean
  readonly #lives = new Map<number, Identity>()
  readonly #database = new Memo()
  readonly #service = new Memo()
  readonly #heard = new Memo()
  #pending: Pending[] = []
  #order = 0
  /** What led to what is being planned now. */
  #context: Identity = 1
  /** Where what happens now happens. */
  #place = -1
  #planned = 0

  constructor(
    choices: Choices,
    visited: Set<Identity>,
    world: { readonly known: () => Known; readonly isDead: (place: number) => boolean },
  ) {
    this.#choices = choices
    this.#visited = visited
    this.#known = world.known
    this.#isDead = world.isDead
  }

  at(dueMs: number, restless: boolean, happen: () => void, place: number): Happening {
    const identity = after(after(this.#context, this.#planned++), place)
    const at = Math.max(dueMs, this.nowMs)
    const pending = { dueMs: at, order: this.#order++, restless, happen, cancelled: false, place, identity }
    this.#pending.push(pending)
    if (restless) this.restless++
    return pending
  }

  cancel(happening: Happening): void {
    if (happening.cancelled) return
    happening.cancelled = true
    if (happening.restless) this.restless--
    this.#pending = this.#pending.filter((each) => each !== happening)
  }

  /** Something was decided that the future depends on. */
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
    this.nowMs = Math.max(this.nowMs, first.dueMs)
    if (this.#wasHere()) {
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
    const { database, service } = this.#known()
    if (place === PLACES.database) this.#context = after(this.#database.of(database), identity)
    else if (place === PLACES.service) this.#context = after(this.#service.of(service), identity)
    else if (place === PLACES.broker) this.#context = identity
    else {
      this.#context = after(after(this.#lives.get(place) ?? place, identity), this.nowMs * 1_024)
      this.#lives.set(place, this.#context)
    }
  }

  #wasHere(): boolean {
    if (this.#choices.isRetracing) return false
    const state = this.#state()
    if (this.#visited.has(state)) return true
    this.#visited.add(state)
    return false
  }

  #state(): Identity {
    const { database, service, heard } = this.#known()
    const { faults, crashes, delays, inAll } = this.#choices.left
    let state = after(this.#database.of(database), this.#service.of(service))
    state = after(state, this.#heard.of(heard))
    state = after(state, ((faults * 16 + crashes) * 16 + delays) * 16 + inAll)
    state = after(state, this.nowMs * 1_024)
    // Where an order does not matter, sums do not have one.
    let lives = 0
    for (const [place, life] of this.#lives)
      if (!this.#isDead(place)) lives = (lives + after(life, place)) % Number.MAX_SAFE_INTEGER
    let pending = 0
    for (const { identity, dueMs } of this.#pending) {
      pending = (pending + after(identity, (dueMs - this.nowMs) * 1_024)) % Number.MAX_SAFE_INTEGER
    }
    return after(after(state, lives), pending)
  }

  #dropTheDead(): void {
    if (!this.#pending.some(({ place }) => this.#isDead(place))) return
    for (const each of [...this.#pending]) if (this.#isDead(each.place)) this.cancel(each)
  }
}

function before(one: Pending, other: Pending): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order)
}
