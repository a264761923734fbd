import { type Agenda, PLACES, placeOf, TimedAgenda } from './agenda.js'
import { Checks, type Invariant, type Watched } from './checks/index.js'
import { Database, type Listen } from './database.js'
import { Dice } from './dice.js'
import { type Engine, startEngine } from './engine.js'
import { type Fates, RandomFates, type Struck } from './faults.js'
import { Messages } from './messages.js'
import type { Scenario, Terms } from './scenario.js'
import { BEGINS_AT_MS, type Scene } from './scene.js'
import { Service } from './service.js'
import { Timeline } from './timeline.js'
import { type Consequence, duplicateOf, type Operation, type ReceivedMessage, type Rows } from './truth.js'
import { type Life, Worker } from './worker.js'

/** Something that must never be. */
export interface Violation {
  readonly invariant: Invariant
  readonly what: string
}

/** Who else hears of a history. */
export interface Told {
  readonly timeline?: boolean
  readonly listen?: Listen
}

/**
 * One history: workers with the production engine, a database, a service, and a seed that decides everything. Nothing
 * in it is real but the code under test.
 */
export class World implements Scene, Watched {
  readonly scenario: Scenario
  readonly terms: Terms
  readonly agenda: Agenda
  readonly fates: Fates
  readonly timeline: Timeline | undefined
  readonly checks: Checks
  violation: Violation | null = null
  /** Happenings so far. */
  steps = 0
  readonly #struck: () => readonly Struck[]
  readonly #database: Database
  readonly #service: Service
  readonly #messages: Messages
  readonly #engines = new Map<Life, Engine>()
  readonly #lives = new Map<number, Life>()
  readonly #latestMs: number
  readonly #enqueuedOnly: ReadonlySet<string>

  /** `rule`: who decides what happens when, and what goes wrong. Default: the seed. */
  constructor(scenario: Scenario, told: Told, rule: Rule = bySeed(scenario)) {
    this.scenario = scenario
    this.terms = scenario.terms
    const dice = new Dice(scenario.seed)
    this.agenda = rule.agenda
    if (told.timeline === true) this.timeline = new Timeline(() => this.nowMs)
    this.fates = rule.fates
    this.#struck = rule.struck
    this.#enqueuedOnly = enqueuedOnlyIn(scenario)
    this.#latestMs = BEGINS_AT_MS + scenario.quietAtMs + patienceMs(scenario)
    this.#database = new Database(this, told.listen)
    this.#service = new Service(this)
    this.checks = new Checks(this)
    const lives = { begun: (life: Life) => this.#inhabit(life), ended: (life: Life) => this.#bury(life) }
    const workers = scenario.workers.map((plan, number) => new Worker(this, dice, { ...plan, number }, lives))
    const { orders, received } = this.#database
    const engineOf = (life: Life): Engine | undefined => this.#engines.get(life)
    this.#messages = new Messages(this, scenario.messages, {
      workers,
      engineOf,
      orders,
      received,
      journalMs: () => this.journalMs,
    })
    for (const { atMs, forMs, clockStepMs } of scenario.outages) {
      this.agenda.at(BEGINS_AT_MS + atMs, false, () => this.#database.fail(clockStepMs), PLACES.database)
      this.agenda.at(BEGINS_AT_MS + atMs + forMs, false, () => this.#database.recover(), PLACES.database)
    }
    for (const key of scenario.duplicates) this.#service.plant(duplicateOf(key), key)
    for (const worker of workers)
      this.agenda.at(BEGINS_AT_MS + worker.plan.bootsAtMs, true, () => worker.boot(), PLACES.broker)
  }

  get nowMs(): number {
    return this.agenda.nowMs
  }

  get struck(): readonly Struck[] {
    return this.#struck()
  }

  get rows(): Rows {
    return this.#database.rows
  }

  get journalMs(): number {
    return this.#database.nowMs
  }

  get operations(): readonly Operation[] {
    return this.#service.operations
  }

  get consequences(): readonly Consequence[] {
    return this.#database.consequences
  }

  get enqueuedOnly(): ReadonlySet<string> {
    return this.#enqueuedOnly
  }

  get orders(): readonly string[] {
    return this.#database.orders
  }

  get received(): readonly ReceivedMessage[] {
    return this.#database.received
  }

  /**
   * Lets the next thing happen; false when the history has ended. The caller lets all promises settle between two steps.
   */
  step(): boolean {
    if (this.violation !== null) return false
    if (this.#atRest()) {
      this.checks.rests()
      return false
    }
    const next = this.agenda.next()
    if (this.agenda.over) return false
    if (next === undefined || this.nowMs > this.#latestMs) {
      this.violate('I2 everything comes to rest', this.#whatIsLeft())
      return false
    }
    this.steps++
    next.happen()
    return true
  }

  violate(invariant: Invariant, what: string): void {
    this.violation ??= { invariant, what }
    this.timeline?.tell('!', `${invariant}: ${what}`)
  }

  /** Everything that the database, the service and the callers know, for those who compare states. */
  fingerprint(): { readonly database: string; readonly service: string; readonly heard: string } {
    const heard = this.#messages.fingerprint() + this.checks.remembers()
    return { database: this.#database.fingerprint(), service: this.#service.fingerprint(), heard }
  }

  /** Whether the life at this place has ended. */
  isDead(place: number): boolean {
    const life = this.#lives.get(place)
    return life !== undefined && !life.alive
  }

  #inhabit(life: Life): void {
    const outside = { scene: this, database: this.#database, service: this.#service, trouble: this.#messages.trouble }
    this.#lives.set(placeOf(life.who), life)
    this.#engines.set(life, startEngine(outside, life))
  }

  #bury(life: Life): void {
    this.#engines.delete(life)
    this.#database.disconnect(life.who)
    this.#messages.lost(life)
  }

  #atRest(): boolean {
    return this.#database.unsettled === 0 && this.#messages.outstanding === 0 && this.agenda.restless === 0
  }

  #whatIsLeft(): string {
    const rows = [...this.rows.values()].map(({ key, state, settlement }) => `${key} ${state} ${settlement}`)
    const waiting = `${this.#messages.outstanding} callers wait`
    return `after ${Math.round(this.nowMs - BEGINS_AT_MS)} ms: ${rows.join(', ')}; ${waiting}`
  }
}

/** Who decides what happens when, and what goes wrong. */
export interface Rule {
  readonly agenda: Agenda
  readonly fates: Fates
  readonly struck: () => readonly Struck[]
}

function bySeed(scenario: Scenario): Rule {
  const agenda = new TimedAgenda(BEGINS_AT_MS)
  const quietAtMs = BEGINS_AT_MS + scenario.quietAtMs
  const fates = new RandomFates(new Dice(scenario.seed), { ...scenario, quietAtMs }, () => agenda.nowMs)
  return { agenda, fates, struck: () => fates.struck }
}

function enqueuedOnlyIn({ messages }: Scenario): ReadonlySet<string> {
  const others = new Set(messages.filter(({ how }) => how !== 'enqueue' && how !== 'receive').map(({ key }) => key))
  return new Set(messages.map(({ key }) => key).filter((key) => !others.has(key)))
}

/** How long the workers may take to bring everything to rest once nothing goes wrong any more. */
function patienceMs({ terms, workers, messages }: Scenario): number {
  const pollMs = Math.max(...workers.map((worker) => worker.pollMs))
  const leaseMs = terms.timeoutMs + terms.graceMs
  const roundMs = leaseMs + terms.retryLongestMs + terms.settlesWithinMs + pollMs
  // The longest pause, the longest time down, the longest time that the service is left alone, and everything that the protocol may try after them.
  const backMs = 3 * leaseMs + 1.3 * terms.windowMs + 3 * leaseMs
  const settledMs = terms.settledAttempts * (16_000 + pollMs)
  // Where few may be carried, or called, at the same time, one waits for the tries of all others.
  const heldBackMs = terms.concurrency === null && terms.rate === null ? 0 : leaseMs + (terms.rate?.perMs ?? 0)
  const othersMs = messages.length * (2 * terms.maxAttempts + terms.maxFindFailures) * heldBackMs
  return (
    othersMs +
    backMs +
    terms.patienceMs +
    (2 * terms.maxAttempts + terms.maxFindFailures + 4) * roundMs +
    settledMs +
    60_000
  )
}
