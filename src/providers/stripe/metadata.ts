import type { Call } from '../../protocol/index.js'
import { METADATA_LIMITS } from './facts.js'

/** The metadata entries that are ours. Every one that a user gives beginning so is a clash. */
export const OUR_PREFIX = 'counterfoil_'
export const REFERENCE_FIELD = 'counterfoil_reference'
export const KEY_FIELD = 'counterfoil_key'

/** How many entries of {@link METADATA_LIMITS} are left to the user. */
export const ENTRIES_LEFT = METADATA_LIMITS.keys - 4

/** What we store with every object that we make, so that audits find it by us and people by the business key. */
export function ourMetadata(call: Call): Record<string, string> {
  const entries = {
    [REFERENCE_FIELD]: call.reference,
    [KEY_FIELD]: call.key,
    counterfoil_effect: call.effect,
    counterfoil_namespace: call.namespace,
  }
  // A business key may be longer than a value; half a key would be another order's. The reference identifies it anyway.
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value.length <= METADATA_LIMITS.valueLength))
}

/** Our reference of an object's metadata; null if it has none. */
export function referenceOf(object: object): string | null {
  return entryOf(object, REFERENCE_FIELD)
}

/** The business key of an object's metadata; null if it has none. */
export function keyOf(object: object): string | null {
  return entryOf(object, KEY_FIELD)
}

function entryOf(object: object, field: string): string | null {
  const metadata: unknown = Reflect.get(object, 'metadata')
  if (typeof metadata !== 'object' || metadata === null) return null
  const value: unknown = Reflect.get(metadata, field)
  return typeof value === 'string' && value !== '' ? value : null
}
