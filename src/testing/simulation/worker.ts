import type { Clock } from '../../system/index.js'
import { type Happening, type Named, PLACES, placeOf } from './agenda.js'
import type { Caller } from './checks/check.js'
import type { Dice, Stream } from './dice.js'
import type { Point } from './faults.js'
import type { WorkerPlan } from './scenario.js'
import type { Scene } from './scene.js'

/** A process of the application: it lives, may stand still, crashes, and lives again. */
export class Worker {
  readonly number: number
  readonly name: string
  readonly plan: WorkerPlan
  readonly #scene: Scene
  readonly #dice: Dice
  readonly #begun: (life: Life) => void
  readonly #ended: (life: Life) => void
  #lives = 0
  life: Life | null = null
  pausedUntilMs = 0

  /** `begun` and `ended` are told of each life: what runs in it, and what is lost with it, is for others to know. */
  constructor(
    scene: Scene,
    dice: Dice,
    plan: WorkerPlan & { readonly number: number },
    told: { readonly begun: (life: Life) => void; readonly ended: (life: Life) => void },
  ) {
    this.#scene = scene
    this.#dice = dice
    this.#begun = told.begun
    this.#ended = told.ended
    this.number = plan.number
    this.name = `worker ${plan.number + 1}`
    this.plan = plan
  }

  /** Begins a life, which knows nothing of the ones before it. */
  boot(): void {
    const life = new Life(this.#scene, this, { number: ++this.#lives, dice: this.#dice })
    this.life = life
    this.pausedUntilMs = 0
    this.#scene.timeline?.tell(this.name, `starts as ${life.token}${life.loops ? ', with the loop' : ''}`)
    this.#begun(life)
  }

  /** Ends its life at once: nothing that it was about to do is done, and nothing that is sent to it is heard. */
  crash(downForMs: number): void {
    const { life } = this
    if (life === null) return
    this.#scene.timeline?.tell(this.name, `crashes, for ${Math.round(downForMs)} ms`)
    life.end()
    this.life = null
    const named = (): string => `${this.name} starts life ${this.#lives + 1}`
    this.#scene.agenda.at(this.#scene.nowMs + downForMs, false, () => this.boot(), PLACES.broker, named)
    this.#ended(life)
  }

  /** Stands still: its clock and the world go on, its timers and what is sent to it wait. */
  pause(forMs: number): void {
    this.pausedUntilMs = this.#scene.nowMs + forMs
    this.#scene.timeline?.tell(this.name, `stands still for ${Math.round(forMs)} ms`)
  }
}

/** What is known of something that comes to a life. */
export interface About {
  /** It is the answer to a look of the loop, and says that there is nothing to do. */
  readonly isIdle?: boolean
  readonly named?: Named
}

/**
 * One life of a worker: what the engine in it sees of the world. When it has ended, no promise that it was given ever
 * resolves: its continuations are dropped, as a crash drops them.
 */
export class Life implements Caller {
  readonly worker: Worker
  /** Worker × 256 + life. */
  readonly who: number
  readonly clock: LifeClock
  readonly randomness: Stream
  /** What its engine calls itself, in claims and so in the journal. */
  readonly token: string
  readonly #scene: Scene
  #alive = true
  #asked = 0
  #heard = 0

  constructor(scene: Scene, worker: Worker, born: { readonly number: number; readonly dice: Dice }) {
    this.#scene = scene
    this.worker = worker
    this.who = worker.number * 256 + (born.number & 255)
    this.clock = new LifeClock(scene, this)
    this.randomness = born.dice.stream(2, this.who)
    this.token = born.dice.stream(2, this.who).token()
  }

  /** Whether the loop runs in it. */
  get loops(): boolean {
    const { loops } = this.worker.plan
    return loops === 'always' || (loops === 'reborn' && (this.who & 255) > 1)
  }

  get rate(): number {
    return this.worker.plan.rate
  }

  get alive(): boolean {
    return this.#alive
  }

  get name(): string {
    return this.worker.name
  }

  end(): void {
    this.#alive = false
  }

  /** The next thing that this life asks of the world. */
  point(): Point {
    return { who: this.who, count: this.#asked++ }
  }

  /** Something comes to this life after `delayMs`: an answer, a wake-up. */
  hears(delayMs: number, hear: () => void, about: About = {}): void {
    const receive = (): void => this.receive(true, hear, about)
    this.#scene.agenda.at(this.#scene.nowMs + delayMs, true, receive, placeOf(this.who), about.named)
  }

  /**
   * Something has come. Here a worker crashes or stands still: between two things that it hears nobody can tell the
   * difference.
   */
  receive(restless: boolean, hear: () => void, about: About = {}): void {
    const scene = this.#scene
    if (!this.#alive) return
    const { worker } = this
    if (worker.pausedUntilMs > scene.nowMs) {
      this.#later(restless, hear)
      return
    }
    const point = { who: this.who, count: this.#heard++, isIdle: about.isIdle === true }
    if (scene.fates.strikes('crash', point)) {
      worker.crash(scene.fates.spread('restart', point, 5, 1.3 * scene.terms.windowMs))
      return
    }
    if (scene.fates.strikes('pause', point)) {
      const leaseMs = scene.terms.timeoutMs + scene.terms.graceMs
      worker.pause(scene.fates.spread('fault', point, 20, 3 * leaseMs))
      this.#later(restless, hear)
      return
    }
    hear()
  }

  // What waited for a paused worker comes in any order: sockets are read in turn, timers fire before or after.
  #later(restless: boolean, hear: () => void): void {
    const scene = this.#scene
    const point = { who: this.who, count: this.#heard++ }
    const atMs = this.worker.pausedUntilMs + scene.fates.spread('resume', point, 0.001, 0.5)
    scene.agenda.at(atMs, restless, () => this.receive(restless, hear), placeOf(this.who))
  }
}

/** A worker's own clock: it runs at its own rate, and its timers fire as those of Node do, cut to whole milliseconds. */
export class LifeClock implements Clock {
  readonly #scene: Scene
  readonly #life: Life
  readonly #bornAtMs: number

  constructor(scene: Scene, life: Life) {
    this.#scene = scene
    this.#life = life
    this.#bornAtMs = scene.nowMs
  }

  monotonicMs(): number {
    return (this.#scene.nowMs - this.#bornAtMs) * this.#life.rate
  }

  wallMs(): number {
    return Math.floor(this.#scene.nowMs + this.#life.worker.plan.wallOffsetMs)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const finish = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const timer = this.#timer(delayMs, finish)
      const abort = (): void => {
        this.#scene.agenda.cancel(timer)
        if (this.#life.alive) finish()
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  schedule(delayMs: number, callback: () => void): () => void {
    let isCancelled = false
    const timer = this.#timer(delayMs, () => {
      if (!isCancelled) callback()
    })
    return () => {
      // One that came while the worker stood still waits under another name.
      isCancelled = true
      this.#scene.agenda.cancel(timer)
    }
  }

  nextTurn(callback: () => void): void {
    queueMicrotask(callback)
  }

  #timer(delayMs: number, fire: () => void): Happening {
    const { agenda, nowMs } = this.#scene
    const wholeMs = Math.max(1, Math.trunc(delayMs))
    const atMs = nowMs + wholeMs / this.#life.rate
    return agenda.at(atMs, false, () => this.#life.receive(false, fire), placeOf(this.#life.who))
  }
}
