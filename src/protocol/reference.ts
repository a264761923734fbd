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
  const { tag, opening } = partsOf(namespace, effect)
  return tag + digest(`[${opening},${JSON.stringify(key)},${generation}]`).slice(0, DIGEST_LENGTH)
}

/** The first eight characters of every reference of this effect in this namespace. */
export function referencePrefix(namespace: string, effect: string): string {
  return partsOf(namespace, effect).tag
}

/**
 * The id of the entry of (namespace, effect, key), as a UUID of version 8 (RFC 9562, section 5.8: custom): every
 * process knows it without asking, it spreads evenly over an index, and one index serves look-up and uniqueness.
 */
export function entryId(namespace: string, effect: string, key: string): string {
  return uuidOf(`["entry",${partsOf(namespace, effect).opening},${JSON.stringify(key)}]`)
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether a text, which may come from a stranger's request, can be an id: a database would take any other for an error. */
export function isId(text: string): boolean {
  return UUID.test(text)
}

/** A UUID of version 8 that stands for these parts, by SHA-256. */
export function uuidOfParts(parts: readonly string[]): string {
  return uuidOf(JSON.stringify(parts))
}

interface Parts {
  readonly namespace: string
  readonly effect: string
  /** Both as they stand in a list in JSON. */
  readonly opening: string
  readonly tag: string
}

// A process asks for the same ones over and over.
let last = newParts('', '')

function partsOf(namespace: string, effect: string): Parts {
  if (last.namespace !== namespace || last.effect !== effect) last = newParts(namespace, effect)
  return last
}

function newParts(namespace: string, effect: string): Parts {
  const opening = `${JSON.stringify(namespace)},${JSON.stringify(effect)}`
  return { namespace, effect, opening, tag: `c${digest(`[${opening}]`).slice(0, TAG_LENGTH)}` }
}

// JSON of the parts, not their concatenation: ('a', 'bc') and ('ab', 'c') must not meet.
function digest(json: string): string {
  return hash('sha256', json, 'base64url')
}

const HYPHEN = '-'.charCodeAt(0)
const VERSION_8 = '8'.charCodeAt(0)
const VARIANTS = [...'89ab'].map((digit) => digit.charCodeAt(0))

const uuid = Buffer.alloc(36, HYPHEN)

/**
 * Written into one buffer and read out of it whole: a text that is put together of parts would be joined anew by
 * whoever first compares or sends it.
 */
function uuidOf(json: string): string {
  const hex = hash('sha256', json, 'hex')
  let at = 0
  for (let i = 0; i < 32; i++) {
    if (i === 8 || i === 12 || i === 16 || i === 20) at++
    uuid[at++] = hex.charCodeAt(i)
  }
  uuid[14] = VERSION_8
  uuid[19] = VARIANTS[Number.parseInt(hex.charAt(16), 16) & 3] ?? 0
  return uuid.toString('latin1')
}
