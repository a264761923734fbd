import { ConfigurationError } from '../protocol/index.js'
import { type Aged, walk } from '../retention/index.js'
import { type Counterfoil, internalsOf } from './counterfoil.js'

export interface AgeEntriesOptions {
  /** Stops it between two steps. */
  readonly signal?: AbortSignal
}

/**
 * Lets old entries become compact and purges those that are over, as the `retention` of this Counterfoil says: one walk
 * around the journal, in small steps with pauses, so that it has a fifth of one connection at most. `Counterfoil.start`
 * does it from time to time; call it where no process runs that, from a cron job say. Several may do it at once.
 *
 * @returns how many became compact, and how many were purged.
 * @throws {ConfigurationError} this Counterfoil has no `retention`.
 * @throws {JournalError} when the journal cannot be used. What was done before stays done.
 */
export async function ageEntries<Tx>(counterfoil: Counterfoil<Tx>, options: AgeEntriesOptions = {}): Promise<Aged> {
  const { journal, clock, randomness, retention } = internalsOf(counterfoil).core.context
  if (retention === null) {
    throw new ConfigurationError('This Counterfoil has no `retention`: everything is kept for ever. Nothing was done.')
  }
  return walk(journal, retention, { clock, randomness, signal: options.signal })
}
