import type { AuditedEffect } from '../engine/audited.js'
import {
  ConfigurationError,
  type LookUpAnswer,
  type Reason,
  reasonOfError,
  type Seen,
  type State,
} from '../protocol/index.js'

/** Who does something about a parked effect, and why. */
export interface ByPerson {
  readonly actor: string
  readonly reason: string
}

/** Nothing was changed, and why; `state` is null where there is no such entry. */
export interface Unchanged {
  readonly kind: 'unchanged'
  readonly state: State | null
  readonly reason: Reason
}

/** @throws {ConfigurationError} nobody is named, or no reason given. `what`: the operation, at the beginning of a sentence. */
export function checkBy({ actor, reason }: ByPerson, what: string): void {
  if (actor.trim() === '' || reason.trim() === '') {
    throw new ConfigurationError(`${what} an effect needs an actor and a reason. Nothing was done.`)
  }
}

export async function read<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Seen | null> {
  return (await audited.context.journal.read([id]))[0] ?? null
}

/** Asks the service for the entry, if it can be asked. Also the code that reads the input may throw, before anything is asked. */
export function lookUp<Tx>(audited: AuditedEffect<Tx>, seen: Seen): Promise<LookUpAnswer | null> {
  return audited
    .lookUp(seen)
    .catch((error: unknown) => ({ result: { kind: 'could_not_ask', reason: reasonOfError(error) }, proven: false }))
}

/** Somebody else had it in hand at the same time: under another fence, this one's write changed nothing (P2). */
export async function movedOn<Tx>(audited: AuditedEffect<Tx>, id: string): Promise<Unchanged> {
  const state = (await read(audited, id))?.entry.state ?? null
  return unchanged(state, 'moved_on', 'It was changed by somebody else meanwhile.')
}

export function noSuchEffect(key: string): Unchanged {
  return unchanged(null, 'no_such_effect', `There is no entry for ${JSON.stringify(key)}.`)
}

export function notParked(state: State): Unchanged {
  return unchanged(state, 'not_parked', `It is ${state}, and only what is parked waits for a person.`)
}

export function unchanged(state: State | null, code: string, message: string): Unchanged {
  return { kind: 'unchanged', state, reason: { code, message } }
}
