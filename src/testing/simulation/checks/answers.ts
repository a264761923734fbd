import type { EffectCompacted } from '../../../protocol/index.js'
import type { Receipt } from '../truth.js'
import type { CheckOf, Heard } from './check.js'
import { isUndoing } from './repairs.js'

/** T1 to T3 and P7: whatever a caller hears is true, then and for ever, and all callers hear the same. */
export const answersAreTrue: CheckOf = (world) => {
  const heard: Heard[] = []
  const checkReceipt = (now: Heard): void => {
    const { key } = now.message
    const id = idOf(now)
    const done = world.operations.find((each) => each.receipt.id === id)
    if (done?.key !== key) world.violate('T1 callers hear the truth', `a caller got ${id} for ${key}, and it is not so`)
    for (const other of heard) {
      if (idOf(other) === null || other.message.key !== key || idOf(other) === id) continue
      world.violate('T2 one receipt for all', `${key}: one caller got ${idOf(other)}, another ${id}`)
    }
  }
  /** Which inputs a key has ever stood for. */
  const inputs = new Map<string, Set<unknown>>()
  const checkInput = ({ message: { key }, input }: Heard): void => {
    if (inputs.get(key)?.has(input) === true) return
    world.violate('P7 same key, same input', `${key}: a caller got a receipt for an input that was never accepted`)
  }
  const checkReuse = ({ message: { key }, generation, input }: Heard): void => {
    if (generation !== null || inputs.get(key)?.has(input) !== true) return
    world.violate('P7 same key, same input', `${key}: a caller with the same input was told of another`)
  }
  return {
    changed: (_, after) => {
      for (const row of after.values()) {
        if (isUndoing(row) || row.isCompact) continue
        const { key, input } = row
        const known = inputs.get(key) ?? new Set()
        inputs.set(key, known.add((input as { readonly variant: number }).variant))
      }
    },
    heard: (now) => {
      if (now.kind === 'receipt' || now.kind === 'compacted') {
        checkReceipt(now)
        checkInput(now)
      }
      if (now.kind === 'reuse') checkReuse(now)
      if (now.kind === 'other') world.violate('T3 no other error', `${now.message.key}: ${now.value}`)
      heard.push(now)
    },
    erred: ({ name }, error) => {
      world.violate('T3 no other error', `${name}: ${error instanceof Error ? error.stack : error}`)
    },
    rests: () => {
      for (const { kind, message, value } of heard) {
        if (kind !== 'rejected') continue
        const { reference } = (value as { readonly identity: { readonly reference: string } }).identity
        const { code } = (value as { readonly reason: { readonly code: string } }).reason
        const done = world.operations.some((each) => each.reference === reference)
        if (done && code !== 'superseded') {
          world.violate('T1 callers hear the truth', `a caller heard that ${message.key} did not happen, and it did`)
        }
      }
    },
  }
}

/** The service's id of what a caller was told has happened: by its receipt, or by the error that it is compact; null: no such answer. */
function idOf({ kind, value }: Heard): string | null {
  if (kind === 'receipt') return (value as Receipt | null)?.id ?? null
  return kind === 'compacted' ? (value as EffectCompacted).externalId : null
}
