import { hash } from 'node:crypto'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether a text, which may come from a stranger's request, can be an id: a database would take any other for an error. */
export function isId(text: string): boolean {
  return UUID.test(text)
}

/** A UUID of version 8 that stands for these parts, by SHA-256. */
export function uuidOfParts(parts: readonly string[]): string {
  const hex = hash('sha256', JSON.stringify(parts), 'hex')
  for (let i = 0; i < DIGITS; i++) uuid[PLACES[i] ?? 0] = hex.charCodeAt(i)
  return asUuid()
}

const DIGITS = 32
const OPENING_BITS = 24
const HYPHEN = '-'.charCodeAt(0)
const HEX = Buffer.from('0123456789abcdef')
const VERSION_8 = '8'.charCodeAt(0)
const [VERSION_AT, VARIANT_AT] = [14, 19]
/** Where its hexadecimal digits stand in a UUID. */
const PLACES = Uint8Array.from(
  [...'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'].flatMap((sign, at) => (sign === '-' ? [] : [at])),
)

/** What six bits a character of base64url is, by its code. */
const SIX_BITS = new Uint8Array(128)
for (let bits = 0; bits < 64; bits++) {
  SIX_BITS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.charCodeAt(bits)] = bits
}

/**
 * Written into one buffer and read out of it whole: a text that is put together of parts would be joined anew by
 * whoever first compares or sends it.
 */
const uuid = Buffer.alloc(36, HYPHEN)

/** A UUID of version 8 that begins with 24 bits given, and goes on with a digest in base64url. */
export function uuidOfDigest(opening: number, digest: string): string {
  let digit = 0
  for (let shift = OPENING_BITS - 4; shift >= 0; shift -= 4) write(digit++, opening >>> shift)
  // Two characters are three digits.
  for (let at = 0; digit < DIGITS; at += 2) {
    const bits = (sixBits(digest, at) << 6) | sixBits(digest, at + 1)
    for (let shift = 8; shift >= 0 && digit < DIGITS; shift -= 4) write(digit++, bits >>> shift)
  }
  return asUuid()
}

function sixBits(digest: string, at: number): number {
  return SIX_BITS[digest.charCodeAt(at)] ?? 0
}

function write(digit: number, bits: number): void {
  uuid[PLACES[digit] ?? 0] = HEX[bits & 15] ?? 0
}

/** What was written, with the version and the variant. */
function asUuid(): string {
  const code = uuid[VARIANT_AT] ?? 0
  // The digits are 48 to 57 and 97 to 102; of two bits the variant is 10, the others stay.
  uuid[VARIANT_AT] = HEX[8 + ((code < 58 ? code : code - 87) & 3)] ?? 0
  uuid[VERSION_AT] = VERSION_8
  return uuid.toString('latin1')
}
