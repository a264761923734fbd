import {
  type CancelFunction,
  type CancelRequest,
  ConfigurationError,
  entryId,
  type Journal,
  type JsonValue,
  type Provider,
  type UndoProvider,
} from '../protocol/index.js'
import { define, type RuntimeEffect, type SettledOutcome, UNDO_SUFFIX } from './effect.js'

/** The input of an undoing, as its entry keeps it. */
export type UndoInput = {
  readonly externalId: string
  /** Tells several undoings of one operation apart; null for the one of all that there is. */
  readonly refundKey: string | null
  readonly receipt: JsonValue
  readonly minorUnits: number | null
  readonly currency: string | null
  readonly reason: string
  readonly actor: string | null
  readonly findingId: string | null
}

/** The name of the effect that undoes the operations of the effect `name`. Users cannot define one that ends so. */
export function undoNameOf(name: string): string {
  return name + UNDO_SUFFIX
}

/** The business key of an undoing: the external id that it undoes (P10), with the refund key where there is one. */
export function undoKeyOf(externalId: string, refundKey: string | null): string {
  // Escaped, so that no external id with a space can pass for another one's refund.
  const id = externalId.replace(/[ %]/g, encodeURIComponent)
  return refundKey === null ? id : `${id} ${refundKey}`
}

/** The effects with, for each that can be undone, the one that undoes it. */
export function withUndoEffects<Tx>(
  effects: ReadonlyMap<string, RuntimeEffect<Tx>>,
  journal: Journal<Tx>,
  namespace: string,
): ReadonlyMap<string, RuntimeEffect<Tx>> {
  const undoing = [...effects.values()].flatMap((effect) => undoEffectOf(effect, journal, namespace) ?? [])
  return new Map([...effects, ...undoing.map((effect): [string, RuntimeEffect<Tx>] => [effect.name, effect])])
}

function undoEffectOf<Tx>(
  effect: RuntimeEffect<Tx>,
  journal: Journal<Tx>,
  namespace: string,
): RuntimeEffect<Tx> | null {
  const { cancel, service } = effect.provider
  if (cancel === undefined) return null
  const name = undoNameOf(effect.name)
  if (name.length > 128) {
    const problem = `its name has ${effect.name.length} characters, which leaves no room for ${JSON.stringify(UNDO_SUFFIX)}`
    throw new ConfigurationError(`The effect ${JSON.stringify(effect.name)} can be undone, but ${problem}.`)
  }
  const { timeoutMs, maxAttempts, patienceMs, maxFindFailures } = effect.capabilities.limits
  return define<UndoInput, unknown, Tx>({
    name,
    key: (input) => undoKeyOf(input.externalId, input.refundKey),
    provider: providerOf(cancel, service ?? effect.name),
    // Who asked and why may differ between duplicates; what is undone may not (P7).
    fingerprint: ({ externalId, refundKey, minorUnits, currency }) => [externalId, refundKey, minorUnits, currency],
    settled: (tx, input, outcome) => {
      const undoId = entryId(namespace, name, undoKeyOf(input.externalId, input.refundKey))
      return journal.compensations.end(tx, undoId, endOf(outcome))
    },
    timeout: timeoutMs,
    leaseGrace: effect.leaseMs - timeoutMs,
    maxAttempts,
    patience: patienceMs,
    maxFindFailures,
    retryDelay: { first: effect.retryFirstMs, longest: effect.retryLongestMs },
    findDelay: { first: effect.findFirstMs, longest: effect.findLongestMs },
    // It only writes to the journal: as long as that can be reached again, it ends.
    settledAttempts: Number.MAX_SAFE_INTEGER,
  })
}

function endOf(outcome: SettledOutcome<unknown>) {
  if (outcome.kind === 'succeeded') return { undone: true as const }
  return { undone: false as const, reason: { code: outcome.code, message: outcome.message } }
}

function providerOf(
  cancel: CancelFunction<unknown> | UndoProvider<unknown>,
  service: string,
): Provider<UndoInput, unknown> {
  if (typeof cancel === 'function') {
    return { service, execute: (input, call) => cancel(requestOf(input), call), inDoubt: 'park' }
  }
  // By delegation and not by spreading: a provider may be an object with methods of its own.
  const base = {
    service,
    execute: (input: UndoInput, call: Parameters<typeof cancel.execute>[1]) => cancel.execute(requestOf(input), call),
    classify: (error: unknown) => cancel.classify?.(error),
    ...(cancel.externalId === undefined
      ? {}
      : { externalId: (receipt: unknown) => cancel.externalId?.(receipt) ?? null }),
  }
  if (cancel.find !== undefined) {
    const { settlesWithin, idempotencyKey } = cancel
    return {
      ...base,
      find: (input, call) => cancel.find(requestOf(input), call),
      settlesWithin,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }
  }
  if (cancel.idempotencyKey !== undefined) return { ...base, idempotencyKey: cancel.idempotencyKey }
  return { ...base, inDoubt: 'park' }
}

function requestOf({ externalId, receipt, minorUnits, reason }: UndoInput): CancelRequest<unknown> {
  return { externalId, receipt, minorUnits, reason }
}
