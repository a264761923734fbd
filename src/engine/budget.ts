import type { EffectTerms } from '../protocol/index.js'
import type { Context } from './context.js'
import type { RuntimeEffect } from './effect.js'
import type { ServiceGuard } from './guards/index.js'

/** Effects that are asked for together, and how many entries of theirs may be taken. */
export interface Share {
  readonly terms: readonly EffectTerms[]
  readonly free: () => number
}

/**
 * What the loop of this process may still take, effect by effect: it knows what it carries, and asks the guards of the
 * services. What is held back here costs neither a lease nor an attempt.
 */
export class Budget<Tx> {
  readonly #context: Context<Tx>
  readonly #terms: readonly EffectTerms[]
  readonly #carried = new Map<string, number>()
  /** Entries that were taken in hand and will ask their guard later, when they have had their turn. */
  readonly #coming = new Map<ServiceGuard, number>()
  #rounds = 0

  constructor(context: Context<Tx>, terms: readonly EffectTerms[]) {
    this.#context = context
    this.#terms = terms
  }

  /** How many more entries of an effect may be taken; Infinity: as many as you like. */
  freeOf(effect: RuntimeEffect<Tx>): number {
    const guard = this.#context.guards.of(effect)
    const forEffect = effect.concurrency - (this.#carried.get(effect.name) ?? 0)
    return Math.max(0, Math.min(forEffect, guard.free() - (this.#coming.get(guard) ?? 0)))
  }

  /** The effects that something may be taken of: those without a bound together, the others apart. They take turns. */
  shares(): readonly Share[] {
    const open = this.#terms.filter((terms) => this.#freeOfTerms(terms) > 0)
    const unbounded = open.filter((terms) => this.#freeOfTerms(terms) === Number.POSITIVE_INFINITY)
    const bounded = open.filter((terms) => !unbounded.includes(terms))
    const shares = bounded.map((terms): Share => ({ terms: [terms], free: () => this.#freeOfTerms(terms) }))
    if (unbounded.length > 0) shares.push({ terms: unbounded, free: () => Number.POSITIVE_INFINITY })
    this.#rounds++
    const first = this.#rounds % Math.max(1, shares.length)
    return [...shares.slice(first), ...shares.slice(0, first)]
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
    this.#carried.set(name, (this.#carried.get(name) ?? 0) + 1)
    return () => void this.#carried.set(name, (this.#carried.get(name) ?? 1) - 1)
  }

  /** A call is to come, when the entry has had its turn; the returned function says that it comes now, or never. */
  expectCall(effect: RuntimeEffect<Tx>): () => void {
    const guard = this.#context.guards.of(effect)
    this.#coming.set(guard, (this.#coming.get(guard) ?? 0) + 1)
    let isExpected = true
    return () => {
      if (isExpected) this.#coming.set(guard, (this.#coming.get(guard) ?? 1) - 1)
      isExpected = false
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
