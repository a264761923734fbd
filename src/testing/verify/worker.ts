import { Counterfoil, type Effect, type RuntimeEffect } from '../../engine/index.js'
import type { MemoryJournal, MemoryTransaction } from '../../journal/memory/index.js'
import { Gate } from './gate.js'
import type { StageClock } from './stage-clock.js'
import type { Subject } from './subject.js'
import { Watch } from './watch.js'

/** How a `perform` ended, as its caller saw it. */
export type Performed = { readonly receipt: unknown } | { readonly error: unknown }

/** What the workers of a stage share. */
export interface Ground {
  readonly subject: Subject
  readonly input: unknown
  readonly clock: StageClock
  readonly journal: MemoryJournal
}

/** How a stage departs from what the effect declares. */
export type Departing = (effect: RuntimeEffect<never>) => Pick<RuntimeEffect<never>, 'capabilities' | 'leaseMs'>

type WatchedEffect = Effect<unknown, unknown, MemoryTransaction>

/** One worker: the production engine, and the user's effect with its SDK pointed at a proxy of this worker's own. */
export class StageWorker {
  readonly watch: Watch
  readonly gate: Gate
  readonly effect: WatchedEffect
  readonly #ground: Ground
  readonly #counterfoil: Counterfoil<MemoryTransaction>
  readonly #life: { alive: boolean }

  private constructor(parts: {
    readonly ground: Ground
    readonly watch: Watch
    readonly gate: Gate
    readonly effect: WatchedEffect
  }) {
    this.watch = parts.watch
    this.gate = parts.gate
    this.effect = parts.effect
    this.#ground = parts.ground
    this.#life = { alive: true }
    this.#counterfoil = new Counterfoil({
      journal: mortal(parts.ground.journal, this.#life),
      effects: [parts.effect],
      namespace: parts.ground.subject.namespace,
      clock: parts.ground.clock,
    })
  }

  static async start(ground: Ground, departing: Departing): Promise<StageWorker> {
    const { service, isEffect, effectAt } = ground.subject
    const watch = new Watch()
    const gate = new Gate(new URL(service.url), watch, isEffect)
    await gate.accept()
    try {
      const declared = await effectAt({ url: gate.url, host: gate.host, port: gate.port })
      const provider = watch.provider(declared.provider)
      const effect = { ...declared, ...departing(declared), provider, settled: undefined, serializeBy: undefined }
      return new StageWorker({ ground, watch, gate, effect })
    } catch (error) {
      await gate.refuse()
      throw error
    }
  }

  get alive(): boolean {
    return this.#life.alive
  }

  /** Performs the stage's effect, for as long as the stage lasts. It never rejects. */
  async perform(): Promise<Performed> {
    try {
      return { receipt: await this.#counterfoil.perform(this.effect, this.#ground.input, { wait: '10000d' }) }
    } catch (error) {
      return { error }
    }
  }

  /** It dies: nothing that it wants to write or send from now on arrives. */
  async die(): Promise<void> {
    this.#life.alive = false
    await this.gate.refuse()
  }

  async close(): Promise<void> {
    this.#life.alive = false
    await this.gate.refuse()
  }
}

/** The journal, as a process sees it that may die: then it hears nothing any more, and nothing that it wants is done. */
function mortal(journal: MemoryJournal, life: { readonly alive: boolean }): MemoryJournal {
  return new Proxy(journal, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => (life.alive ? member.apply(target, args) : new Promise(() => undefined))
    },
  })
}
