import {
  AuditIncomplete,
  type ExternalOperation,
  entryId,
  minorUnitsProblem,
  moneyProblem,
  referencePrefix,
  type StagedOperation,
  uuidOfParts,
} from '../protocol/index.js'

/** A reference that some Counterfoil made: 36 of [A-Za-z0-9_-], the first a `c`. */
const REFERENCE_FORM = /^c[A-Za-z0-9_-]{35}$/

/**
 * An operation of the list on its way into the staging table; null where it is other people's.
 *
 * Its reference says whose it is. Without a reference, the key may: then it is ours if there is such an entry. An
 * operation with another's reference is another's, whatever key it has: an order of the same number, of another effect.
 */
export function stagedOf(
  operation: ExternalOperation,
  about: { readonly namespace: string; readonly effect: string },
): StagedOperation | null {
  const { namespace, effect } = about
  const { reference, key } = operation
  const owned = reference !== null && isOurs(reference, namespace, effect)
  if (reference !== null && !owned) return null
  if (reference === null && key === null) return null
  const groupId = key === null ? uuidOfParts(['reference', reference ?? '']) : entryId(namespace, effect, key)
  return { operation, groupId, owned }
}

function isOurs(reference: string, namespace: string, effect: string): boolean {
  return REFERENCE_FORM.test(reference) && reference.startsWith(referencePrefix(namespace, effect))
}

const STATES: readonly unknown[] = ['live', 'undone', 'pending']

/**
 * @throws {AuditIncomplete} when the operation cannot be read: an amount that is no whole number or has no currency, a
 * missing id, an unknown state. To go on without it would be to conclude from what was not seen.
 */
export function assertReadable(operation: ExternalOperation): void {
  const problem = problemOf(operation)
  if (problem === null) return
  const id = typeof operation?.externalId === 'string' ? operation.externalId : '(no id)'
  throw new AuditIncomplete(
    'unreadable_operation',
    `The service listed an operation that cannot be read: ${id} ${problem}`,
  )
}

function problemOf(operation: ExternalOperation): string | null {
  if (typeof operation !== 'object' || operation === null) return 'is no object'
  const { externalId, createdAtMs, state, amount } = operation
  if (typeof externalId !== 'string' || externalId === '') return 'has no id'
  if (typeof createdAtMs !== 'number' || !Number.isFinite(createdAtMs)) return `was created at ${createdAtMs}`
  if (!STATES.includes(state)) return `is ${String(state)}, not live, undone or pending`
  if (!isTextOrNull(operation.reference) || !isTextOrNull(operation.key))
    return 'has a reference or key that is no text'
  if (amount === null) return null
  if (typeof amount !== 'object') return 'has an amount that is neither null nor an object'
  const money = moneyProblem(amount)
  if (money !== null) return `has an amount that ${money}`
  const undone = minorUnitsProblem(amount.undoneMinorUnits)
  if (undone !== null) return `has an undone amount that ${undone}`
  return amount.undoneMinorUnits > amount.minorUnits ? 'has more undone than it moved' : null
}

function isTextOrNull(value: unknown): boolean {
  return value === null || (typeof value === 'string' && value !== '')
}
