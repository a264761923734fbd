import type { Change, EffectName, Evidence, ForcedResolution, Journal, LookUpAnswer, Seen } from '../protocol/index.js'
import { amountOf, type Compensated, type Compensator, type Undoing } from './compensate.js'
import type { Context } from './context.js'
import type { Core } from './core.js'
import { type Counterfoil, internalsOf } from './counterfoil.js'
import type { RuntimeEffect } from './effect.js'
import { lookUp, settleByEvidence, writeUnheld } from './evidence.js'

/**
 * One effect as an audit, or an operation of a person's, meets it: what it may look at, and the only ways in which it may
 * change anything: by evidence, by an undoing that is an effect of its own, and by what the protocol makes of a parked one.
 */
export class AuditedEffect<Tx> {
  readonly context: Context<Tx>
  readonly effect: RuntimeEffect<Tx>
  /** What the journal knows it by. */
  readonly name: EffectName
  /** How much an executed entry moved, by its provider. */
  readonly amountOf = amountOf
  readonly #core: Core<Tx>
  readonly #compensator: Compensator<Tx>

  constructor(core: Core<Tx>, compensator: Compensator<Tx>, effect: RuntimeEffect<Tx>) {
    this.context = core.context
    this.effect = effect
    this.name = { namespace: core.context.namespace, effect: effect.name }
    this.#core = core
    this.#compensator = compensator
  }

  /** Undoes an operation at the service, whether an entry stands for it or not; asking again joins what stands. */
  undo(key: string, undoing: Undoing, waitMs: number, signal: AbortSignal): Promise<Compensated> {
    return this.#compensator.undo(this.effect, key, undoing, { waitMs, signal })
  }

  /** Settles an entry that is in doubt or parked and held by nobody; null: it had moved on. */
  settle(seen: Seen, evidence: Evidence): Promise<Seen | null> {
    return settleByEvidence(this.#core, seen, evidence)
  }

  /** Writes what a person's operation makes of an entry that is parked; null: it had moved on. */
  write(seen: Seen, change: Change): Promise<Seen | null> {
    return writeUnheld(this.#core, seen, change)
  }

  /** The same of a person's word without proof, with the mark that the entry keeps of it. */
  force(seen: Seen, { change, forcedBy }: ForcedResolution): Promise<Seen | null> {
    return writeUnheld(this.#core, seen, change, forcedBy)
  }

  /** Asks the service for the entry's reference; null where it cannot be asked. */
  lookUp(seen: Seen): Promise<LookUpAnswer | null> {
    return lookUp(this.#core, this.effect, seen)
  }
}

/** An effect as an audit meets it; null where this process does not know it. */
export function auditedEffect<Tx>(counterfoil: Counterfoil<Tx>, name: string): AuditedEffect<Tx> | null {
  const { core, compensator } = internalsOf(counterfoil)
  const effect = core.context.effects.get(name)
  return effect === undefined ? null : new AuditedEffect(core, compensator, effect)
}

/** The journal that a Counterfoil works on. */
export function journalOf<Tx>(counterfoil: Counterfoil<Tx>): Journal<Tx> {
  return internalsOf(counterfoil).core.context.journal
}
