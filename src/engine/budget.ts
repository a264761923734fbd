import type { DueFirst, EffectTerms } from '../protocol/index.js'
import type { Context } from './context.js'
import type { RuntimeEffect } from './effect.js'
import type { ServiceGuard } from './guards/index.js'

/** Effects that are asked for together, and how many entries of theirs may be taken. */
export interface Share {
  readonly terms: readonly EffectTerms[]
  readonly free: () => number
  readonly first: DueFirst
}

/**
 * How many of the loop's places effects of one service may fill, where there are others: a service that hangs must not
 * keep the others waiting for its timeouts.
 */
const MOST_OF_ONE_SERVICE = 3 / 4

/**
 * What the loop of this process may still take, effect by effect: it knows what it carries, and asks the guards of the
 * services. What is held back here costs neither a lease nor an attempt.
 */
export class Budget<Tx> {
  readonly #context: Context<Tx>
  readonly #terms: readonly EffectTerms[]
  /** Infinity where there is one service only: nobody waits for it but itself. */
  readonly #placesOfService: number
  readonly #carried = new Map<string, number>()
  readonly #carriedOf = new Map<ServiceGuard, number>()
  #rounds = 0

  /** `places`: how many entries the loop carries at the same time. */
  constructor(context: Context<Tx>, terms: readonly EffectTerms[], places: number) {
    this.#context = context
    this.#terms = terms
    const services = new Set([...context.effects.values()].map((effect) => context.guards.of(effect)))
    this.#placesOfService =
      services.size <= 1 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(places * MOST_OF_ONE_SERVICE))
  }

  /** How many more entries of an effect may be taken; Infinity: as many as you like. */
  freeOf(effect: RuntimeEffect<Tx>): number {
    return Math.min(this.#boundOf(effect), this.#leftTo(this.#context.guards.of(effect)))
  }

  /**
   * The effects that something may be taken of, in shares that take turns. Each share is a question to the journal, so
   * those without a bound of their own are asked for together, as long as none of their services could take all `places`
   * that are free.
   */
  shares(places: number): readonly Share[] {
    const open = this.#terms.filter((terms) => this.#freeOfTerms(terms) > 0)
    const unbounded = open.filter((terms) => this.#isUnbounded(terms))
    const bounded = open.filter((terms) => !unbounded.includes(terms))
    const shares = bounded.map((terms) => this.#share([terms]))
    const cramped = unbounded.filter((terms) => 2 * this.#freeOfTerms(terms) < places)
    for (const terms of byService(cramped, (each) => this.#guardOf(each))) shares.push(this.#share(terms))
    const roomy = unbounded.filter((terms) => !cramped.includes(terms))
    if (roomy.length > 0) shares.push(this.#share(roomy))
    this.#rounds++
    const first = this.#rounds % Math.max(1, shares.length)
    return [...shares.slice(first), ...shares.slice(0, first)]
  }

  /** No more than may be taken of each of them, since all may be of one. */
  #share(terms: readonly EffectTerms[]): Share {
    return {
      terms,
      free: () => Math.min(...terms.map((each) => this.#freeOfTerms(each))),
      first: terms.some((each) => this.#guardOf(each)?.first === 'fresh') ? 'fresh' : 'begun',
    }
  }

  /** As far as the effect and its service's guard decide. */
  #boundOf(effect: RuntimeEffect<Tx>): number {
    const guard = this.#context.guards.of(effect)
    const forEffect = effect.concurrency - (this.#carried.get(effect.name) ?? 0)
    return Math.max(0, Math.min(forEffect, guard.free()))
  }

  #leftTo(guard: ServiceGuard): number {
    return Math.max(0, this.#placesOfService - (this.#carriedOf.get(guard) ?? 0))
  }

  #isUnbounded(terms: EffectTerms): boolean {
    const effect = this.#effectOf(terms)
    return effect !== undefined && this.#boundOf(effect) === Number.POSITIVE_INFINITY
  }

  #guardOf(terms: EffectTerms): ServiceGuard | undefined {
    const effect = this.#effectOf(terms)
    return effect === undefined ? undefined : this.#context.guards.of(effect)
  }

  /** Effects of which nothing may be taken now: how long at least, as far as time alone decides. */
  heldBack(): readonly { readonly terms: EffectTerms; readonly waitMs: number }[] {
    return this.#terms
      .filter((terms) => this.#freeOfTerms(terms) <= 0)
      .map((terms) => {
        const effect = this.#effectOf(terms)
        return { terms, waitMs: effect === undefined ? 0 : this.#context.guards.of(effect).waitMs() }
      })
  }

  /** An entry of the effect is carried from now on; the returned function says that it no longer is. */
  take(effect: RuntimeEffect<Tx>): () => void {
    const { name } = effect
    const guard = this.#context.guards.of(effect)
    add(this.#carried, name, 1)
    add(this.#carriedOf, guard, 1)
    return () => {
      add(this.#carried, name, -1)
      add(this.#carriedOf, guard, -1)
    }
  }

  /** A call is to come, when the entry has had its turn; the returned function says that it comes now, or never. */
  expectCall(effect: RuntimeEffect<Tx>): () => void {
    return this.#context.guards.of(effect).expect(1)
  }

  /** So many entries of a share are asked for; the returned function says that they are here. */
  ask({ terms }: Share, howMany: number): () => void {
    const guards = new Set(terms.map((each) => this.#guardOf(each)))
    const answered = [...guards].map((guard) => guard?.expect(howMany))
    return () => {
      for (const each of answered) each?.()
    }
  }

  #effectOf(terms: EffectTerms): RuntimeEffect<Tx> | undefined {
    return this.#context.effects.get(terms.effect)
  }

  #freeOfTerms(terms: EffectTerms): number {
    const effect = this.#effectOf(terms)
    return effect === undefined ? 0 : this.freeOf(effect)
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, howMany: number): void {
  counts.set(key, (counts.get(key) ?? 0) + howMany)
}

function byService(
  terms: readonly EffectTerms[],
  guardOf: (terms: EffectTerms) => ServiceGuard | undefined,
): readonly (readonly EffectTerms[])[] {
  return [...new Set(terms.map(guardOf))].map((guard) => terms.filter((each) => guardOf(each) === guard))
}
