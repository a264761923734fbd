import type { Pool } from 'pg'
import { Counterfoil } from '../counterfoil.js'
import { defineEffect } from '../engine/index.js'
import { type PostgresTransaction, postgresJournal } from '../journal/postgres/index.js'
import { EffectInDoubt, NotExecuted, OutcomeUnknown } from '../protocol/index.js'

interface Order {
  readonly id: string
}

/** It did not happen. */
export const DOWN = new NotExecuted('unavailable', 'It is down.')
/** It may have happened. */
export const LOST = new OutcomeUnknown('timeout', 'There was no answer.')

/** An effect that is parked after one call, as `fails` says for each order. */
function effectNamed(name: string, fails: ReadonlyMap<string, Error>) {
  return defineEffect<Order, { readonly id: string }, PostgresTransaction>({
    name,
    key: ({ id }) => id,
    provider: {
      inDoubt: 'park',
      execute: async ({ id }) => {
        const failure = fails.get(id)
        if (failure !== undefined) throw failure
        return { id: `${name}_${id}` }
      },
      cancel: () => Promise.reject(DOWN),
    },
    timeout: 500,
    maxAttempts: 1,
    patience: 0,
    retryDelay: { first: 1, longest: 1 },
  })
}

/** A shop whose effects a test parks. */
export function shopOn(pool: Pool) {
  const fails = new Map<string, Error>()
  const [charge, mail] = [effectNamed('charge', fails), effectNamed('mail', fails)]
  const journal = postgresJournal(pool, { listen: false })
  const counterfoil = new Counterfoil({ journal, effects: [charge, mail] })
  const park = async (effect: typeof charge, id: string, failure: Error): Promise<EffectInDoubt> => {
    fails.set(id, failure)
    const thrown: unknown = await counterfoil.perform(effect, { id }).catch((error: unknown) => error)
    if (!(thrown instanceof EffectInDoubt && thrown.state === 'parked'))
      throw new Error(`${id} was not parked.`, { cause: thrown })
    return thrown
  }
  return { charge, mail, journal, counterfoil, park, fails }
}
