import { hash } from 'node:crypto'
import { uuidOfDigest } from './uuid.js'

/** The longest business key, in UTF-16 units. Long enough for composed keys, short enough for an index. */
export const MAX_KEY_LENGTH = 512

const TAG_LENGTH = 7
const DIGEST_LENGTH = 28

/** What is derived of (namespace, effect, key, generation): an entry and what goes to the service for it. */
export interface Names {
  /** See {@link entryId}. */
  readonly id: string
  /** See {@link reference}. */
  readonly reference: string
}

/** Both names of one generation, at the cost of one: the entry's is taken from the reference of its first. */
export function namesOf(namespace: string, effect: string, key: string, generation: number): Names {
  const parts = partsOf(namespace, effect)
  const first = digestOf(parts, key, 1)
  const own = generation === 1 ? first : digestOf(parts, key, generation)
  return { id: uuidOfDigest(neighbourhood(key), first), reference: parts.tag + own.slice(0, DIGEST_LENGTH) }
}

/**
 * The one opaque string that goes to the service for (namespace, effect, key, generation): as idempotency key, and
 * stored there as our reference. 36 characters of [A-Za-z0-9_-], the first a letter.
 *
 * The first eight say whose it is ({@link referencePrefix}), so that an audit tells our operations from other
 * people's in a service's list; the other 28 are 168 bits of SHA-256, so that two references never meet by chance.
 */
export function reference(namespace: string, effect: string, key: string, generation: number): string {
  const parts = partsOf(namespace, effect)
  return parts.tag + digestOf(parts, key, generation).slice(0, DIGEST_LENGTH)
}

/** The first eight characters of every reference of this effect in this namespace. */
export function referencePrefix(namespace: string, effect: string): string {
  return partsOf(namespace, effect).tag
}

/**
 * The id of the entry of (namespace, effect, key), as a UUID of version 8 (RFC 9562, section 5.8: custom): every
 * process knows it without asking, and one index serves look-up and uniqueness.
 *
 * Its first 24 bits are the key's neighbourhood, so that keys that are used one after the other lie beside each other in
 * the index. The other 98 are of SHA-256: no two entries meet by chance. Somebody who may choose keys would need some 2^49
 * digests to make two meet, and the second is refused as a reuse of its key unless both have one fingerprint (P7).
 */
export function entryId(namespace: string, effect: string, key: string): string {
  return uuidOfDigest(neighbourhood(key), digestOf(partsOf(namespace, effect), key, 1))
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
function digestOf({ opening }: Parts, key: string, generation: number): string {
  return digest(`[${opening},${JSON.stringify(key)},${generation}]`)
}

function digest(json: string): string {
  return hash('sha256', json, 'base64url')
}

/** Characters at the beginning of a key in which time passes slowly, where it begins with the time. */
const OPENING_LENGTH = 7

/**
 * What keys have in common that are used one after the other: a byte each of how the key begins, of all but its last six
 * characters, and of all but its last three. A counter at its end (`order-10017`) stays with the last thousand; of a key
 * that begins with the time (UUID version 7, ULID) the first byte is the same for seconds to minutes. Keys of chance have
 * nothing in common, and go everywhere.
 *
 * A B-tree that is written at random has another page, cold in the processor's cache, touched by each effect, and written
 * whole to the WAL after each checkpoint.
 *
 * FNV-1a: nothing but the order in an index rests on it.
 */
function neighbourhood(key: string): number {
  const wide = Math.max(0, key.length - 6)
  const opening = hashed(key, 0, Math.min(OPENING_LENGTH, wide), FNV_BASIS)
  const middle = hashed(key, Math.min(OPENING_LENGTH, wide), wide, opening)
  const near = hashed(key, wide, Math.max(0, key.length - 3), middle)
  return (byteOf(opening) << 16) | (byteOf(middle) << 8) | byteOf(near)
}

const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** FNV-1a of `key` from `start` to `end`, going on from `before`. */
function hashed(key: string, start: number, end: number, before: number): number {
  let value = before
  for (let i = start; i < end; i++) value = Math.imul(value ^ key.charCodeAt(i), FNV_PRIME)
  return value
}

function byteOf(value: number): number {
  return (value ^ (value >>> 8) ^ (value >>> 16) ^ (value >>> 24)) & 0xff
}
