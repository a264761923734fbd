import { hash } from 'node:crypto'

/** The longest business key, in UTF-16 units. Long enough for composed keys, short enough for an index. */
export const MAX_KEY_LENGTH = 512

const TAG_LENGTH = 7
const DIGEST_LENGTH = 28

/**
 * The one opaque string that goes to the service for (namespace, effect, key, generation): as idempotency key, and
 * stored there as our reference. 36 characters of [A-Za-z0-9_-], the first a letter.
 *
 * The first eight say whose it is ({@link referencePrefix}), so that an audit tells our operations from other
 * people's in a service's list; the other 28 are 168 bits of SHA-256, so that two references never meet by chance.
 */
export function reference(namespace: string, effect: string, key: string, generation: number): string {
  return referencePrefix(namespace, effect) + digest([namespace, effect, key, generation]).slice(0, DIGEST_LENGTH)
}

/** The first eight characters of every reference of this effect in this namespace. */
export function referencePrefix(namespace: string, effect: string): string {
  if (last.namespace !== namespace || last.effect !== effect) {
    last = { namespace, effect, prefix: `c${digest([namespace, effect]).slice(0, TAG_LENGTH)}` }
  }
  return last.prefix
}

// A process asks for the same one over and over, and it is a third of what a reference costs.
let last = { namespace: '', effect: '', prefix: `c${digest(['', '']).slice(0, TAG_LENGTH)}` }

/**
 * The id of the entry of (namespace, effect, key), as a UUID of version 8 (RFC 9562, section 5.8: custom): every
 * process knows it without asking, it spreads evenly over an index, and one index serves look-up and uniqueness.
 */
export function entryId(namespace: string, effect: string, key: string): string {
  return uuidOfParts(['entry', namespace, effect, key])
}

/** A UUID of version 8 that stands for these parts, by SHA-256. */
export function uuidOfParts(parts: readonly string[]): string {
  const hex = hash('sha256', JSON.stringify(parts), 'hex')
  const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) & 3)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

// JSON of the parts, not their concatenation: ('a', 'bc') and ('ab', 'c') must not meet.
function digest(parts: readonly (string | number)[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url')
}
