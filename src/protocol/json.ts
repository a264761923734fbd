import { InvalidInputError } from './errors.js'

/** A value that JSON carries without loss, and that PostgreSQL's jsonb gives back equal. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue }

/** The largest input, as UTF-8 bytes of its JSON: 1 MiB. A journal row is no place for documents. */
export const MAX_INPUT_BYTES = 1_048_576

/** Deeper nesting is refused: it is never data that a person meant, and parsers on the way give up at various depths. */
export const MAX_DEPTH = 200

// biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 is the very character that jsonb refuses
const UNSTORABLE_TEXT = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/**
 * A private copy of `value`, equal to it, that later changes to `value` cannot reach.
 *
 * Object properties that are `undefined` count as absent, as in JSON. Everything else that JSON would drop, change or
 * refuse is an error that names the place: bigint, NaN, infinities, -0, Date and other class instances, functions,
 * symbols, cycles, holes and `undefined` in arrays, U+0000 and lone surrogates (jsonb refuses both).
 *
 * @throws {InvalidInputError} before anything is written or sent.
 */
export function toJson(value: unknown, what = 'input'): JsonValue {
  assertStorable(value, what, [])
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_INPUT_BYTES) {
    throw new InvalidInputError(
      what,
      `is ${bytes} bytes of JSON, over the limit of ${MAX_INPUT_BYTES} (1 MiB): keep the document elsewhere and pass its id`,
    )
  }
  return JSON.parse(text) as JsonValue
}

function assertStorable(value: unknown, path: string, ancestors: object[]): void {
  switch (typeof value) {
    case 'string':
      assertText(value, path)
      return
    case 'number':
      if (!Number.isFinite(value)) throw new InvalidInputError(path, `is ${value}, which JSON cannot carry`)
      if (Object.is(value, -0)) throw new InvalidInputError(path, 'is -0, which would come back as 0')
      return
    case 'boolean':
      return
    case 'object':
      if (value !== null) assertObject(value, path, ancestors)
      return
    case 'bigint':
      throw new InvalidInputError(path, 'is a bigint, which JSON cannot carry: pass it as a string')
    default:
      throw new InvalidInputError(path, `is ${typeof value}, which JSON cannot carry`)
  }
}

function assertText(text: string, path: string): void {
  if (UNSTORABLE_TEXT.test(text)) {
    throw new InvalidInputError(path, 'holds U+0000 or a lone surrogate, which PostgreSQL cannot store')
  }
}

function assertObject(value: object, path: string, ancestors: object[]): void {
  if (ancestors.includes(value)) throw new InvalidInputError(path, 'refers back to itself (a cycle)')
  if (ancestors.length >= MAX_DEPTH) throw new InvalidInputError(path, `is nested more than ${MAX_DEPTH} levels deep`)
  ancestors.push(value)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (value[i] === undefined)
        throw new InvalidInputError(`${path}[${i}]`, 'is undefined, which would come back as null')
      assertStorable(value[i], `${path}[${i}]`, ancestors)
    }
  } else {
    assertPlain(value, path)
    for (const [name, member] of Object.entries(value)) {
      if (member === undefined) continue
      assertText(name, `${path}.${name}`)
      assertStorable(member, `${path}.${name}`, ancestors)
    }
  }
  ancestors.pop()
}

function assertPlain(value: object, path: string): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    const name = value.constructor?.name ?? 'a class'
    const hint = value instanceof Date ? ': pass an ISO string' : ': pass a plain object'
    throw new InvalidInputError(path, `is an instance of ${name}, which would not come back equal${hint}`)
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    throw new InvalidInputError(path, 'has a toJSON method, so it would come back as something else')
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new InvalidInputError(path, 'has symbol properties, which JSON would drop')
  }
}

/**
 * The best JSON for a service's answer. It never throws: the service has acted, and an answer that we cannot store
 * whole must not cost us the knowledge that it acted. What JSON cannot carry is replaced (bigint by its digits, text
 * that PostgreSQL refuses by U+FFFD) or left out; an answer with a cycle becomes null.
 */
export function toJsonLossy(value: unknown): JsonValue {
  try {
    const text = JSON.stringify(value, (_name, member: unknown) => {
      if (typeof member === 'bigint') return member.toString()
      if (typeof member === 'string') return storableText(member)
      return member
    })
    return text === undefined ? null : storableNames(JSON.parse(text) as JsonValue)
  } catch {
    return null
  }
}

/** `text` with every character that jsonb refuses replaced by U+FFFD. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

function storableNames(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(storableNames)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storableText(name), storableNames(member)]))
}
