import { InvalidInputError } from './errors.js'
import type { JsonValue } from './json-value.js'

/** The largest input, as UTF-8 bytes of its JSON: 1 MiB. A journal row is no place for documents. */
export const MAX_INPUT_BYTES = 1_048_576

/** Deeper nesting is refused: it is never data that a person meant, and parsers on the way give up at various depths. */
export const MAX_DEPTH = 200

/**
 * A private copy of `value`, equal to it, that later changes to `value` cannot reach.
 *
 * Object properties that are `undefined` count as absent, as in JSON; non-enumerable ones are no data. Everything else
 * that JSON would drop, change or refuse is an error that names the place: bigint, NaN, infinities, -0, Date and other
 * class instances, functions, symbols, cycles, holes and `undefined` in arrays, named properties of arrays, U+0000 and
 * lone surrogates (jsonb refuses both).
 *
 * @throws {InvalidInputError} before anything is written or sent.
 */
export function toJson(value: unknown, what = 'input'): JsonValue {
  // One walk both checks and copies: what a getter or a proxy answers is asked for once.
  const copy = new Copy(what)
  const json = copy.of(value)
  if (copy.mostBytes <= MAX_INPUT_BYTES) return json
  const bytes = Buffer.byteLength(JSON.stringify(json))
  if (bytes > MAX_INPUT_BYTES) throw new InvalidInputError(what, `is ${bytes} bytes of JSON, ${OVER_LIMIT}`)
  return json
}

const OVER_LIMIT = `over the limit of ${MAX_INPUT_BYTES} (1 MiB): keep the document elsewhere and pass its id`

/** `-1.2345678901234567e-308`, or quotes, brackets and commas; a name adds its own quotes and colon. */
const LONGEST_VALUE = 32
/** `\\u001f` */
const LONGEST_UNIT = 6

class Copy {
  readonly #what: string
  readonly #ancestors: object[] = []
  /** Where the walk is: names of properties and indexes of arrays. Told only in an error, since it costs to tell. */
  readonly #place: (string | number)[] = []
  /** Values seen: each is a byte of JSON at least. It ends early what shared parts would blow up. */
  #values = 0
  #units = 0

  constructor(what: string) {
    this.#what = what
  }

  /** Bytes of JSON that it cannot exceed: a number or a literal with its punctuation, an escape for each UTF-16 unit. */
  get mostBytes(): number {
    return this.#values * LONGEST_VALUE + this.#units * LONGEST_UNIT
  }

  of(value: unknown): JsonValue {
    if (++this.#values > MAX_INPUT_BYTES) throw new InvalidInputError(this.#what, `is ${OVER_LIMIT}`)
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return this.#finite(value)
      case 'boolean':
        return value
      case 'object':
        return value === null ? null : this.#inside(value)
      case 'bigint':
        throw this.#refusal('is a bigint, which JSON cannot carry: pass it as a string')
      default:
        throw this.#refusal(`is ${typeof value}, which JSON cannot carry`)
    }
  }

  #inside(value: object): JsonValue {
    if (this.#ancestors.includes(value)) throw this.#refusal('refers back to itself (a cycle)')
    if (this.#ancestors.length >= MAX_DEPTH) throw this.#refusal(`is nested more than ${MAX_DEPTH} levels deep`)
    this.#assertPlain(value)
    this.#ancestors.push(value)
    const copy = Array.isArray(value) ? this.#array(value) : this.#object(value)
    this.#ancestors.pop()
    return copy
  }

  #array(value: readonly unknown[]): JsonValue {
    const copy: JsonValue[] = []
    for (let i = 0; i < value.length; i++) {
      const member = value[i]
      this.#place.push(i)
      if (member === undefined) throw this.#refusal('is undefined, which would come back as null')
      copy.push(this.of(member))
      this.#place.pop()
    }
    if (Object.keys(value).length > value.length) {
      throw this.#refusal('is an array with named properties, which JSON would drop')
    }
    return copy
  }

  #object(value: object): JsonValue {
    const copy: Record<string, JsonValue> = {}
    for (const name of Object.keys(value)) {
      const member = (value as Readonly<Record<string, unknown>>)[name]
      if (member === undefined) continue
      this.#place.push(name)
      set(copy, this.#text(name), this.of(member))
      this.#place.pop()
    }
    return copy
  }

  #text(text: string): string {
    this.#units += text.length
    if (!isStorable(text)) throw this.#refusal('holds U+0000 or a lone surrogate, which PostgreSQL cannot store')
    return text
  }

  #finite(value: number): number {
    if (!Number.isFinite(value)) throw this.#refusal(`is ${value}, which JSON cannot carry`)
    if (Object.is(value, -0)) throw this.#refusal('is -0, which would come back as 0')
    return value
  }

  #assertPlain(value: object): void {
    if (!isPlain(value)) {
      const hint = value instanceof Date ? ': pass an ISO string' : ': pass a plain object'
      throw this.#refusal(`is an instance of ${classOf(value)}, which would not come back equal${hint}`)
    }
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      throw this.#refusal('has a toJSON method, so it would come back as something else')
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw this.#refusal('has symbol properties, which JSON would drop')
    }
  }

  #refusal(why: string): InvalidInputError {
    return new InvalidInputError(this.#what + this.#place.map(step).join(''), why)
  }
}

// `__proto__` is a name like any other, which an assignment would not take for one.
function set(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  } else object[name] = value
}

function step(name: string | number): string {
  if (typeof name === 'number') return `[${name}]`
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

// By shape, not by identity: objects of another realm (node:vm, as some test runners use) are plain too.
function isPlain(value: object): boolean {
  const prototype = prototypeOf(value)
  return Array.isArray(value)
    ? Object.hasOwn(prototype ?? {}, 'concat') && isRootPrototype(prototypeOf(prototype ?? {}))
    : prototype === null || isRootPrototype(prototype)
}

function isRootPrototype(prototype: object | null): boolean {
  return prototype !== null && prototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty')
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null
}

function classOf(value: object): string {
  const made = value.constructor
  return typeof made === 'function' && made.name !== '' ? made.name : 'a class'
}

/**
 * The best JSON for a service's answer. It never throws: the service has acted, and an answer that we cannot store
 * whole must not cost us the knowledge that it acted. What JSON cannot carry is replaced (bigint by its digits, text
 * that PostgreSQL refuses by U+FFFD), cut (below MAX_DEPTH levels) or left out; an answer with a cycle becomes null.
 */
export function toJsonLossy(value: unknown): JsonValue {
  try {
    const plain = plainCopy(value, 0)
    if (plain !== undefined) return plain
    const text = JSON.stringify(value, (_name, member: unknown) =>
      typeof member === 'bigint' ? member.toString() : member,
    )
    return text === undefined ? null : storableJson(JSON.parse(text) as JsonValue, 0)
  } catch {
    return null
  }
}

/** A copy of what is JSON as it stands, which nearly every answer is; undefined where there is anything to mend. */
function plainCopy(value: unknown, depth: number): JsonValue | undefined {
  if (typeof value === 'string') return isStorable(value) ? value : undefined
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : undefined
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value !== 'object' || depth >= MAX_DEPTH) return undefined
  if (Array.isArray(value)) return plainArray(value, depth)
  return Object.getPrototypeOf(value) === Object.prototype ? plainObject(value, depth) : undefined
}

function plainArray(value: readonly unknown[], depth: number): JsonValue | undefined {
  if ('toJSON' in value) return undefined
  const copy: JsonValue[] = []
  for (const member of value) {
    const plain = plainCopy(member, depth + 1)
    if (plain === undefined) return undefined
    copy.push(plain)
  }
  return copy
}

function plainObject(value: object, depth: number): JsonValue | undefined {
  if ('toJSON' in value || Object.hasOwn(value, '__proto__')) return undefined
  const copy: { [name: string]: JsonValue } = {}
  for (const name of Object.keys(value)) {
    const plain = plainCopy((value as { readonly [name: string]: unknown })[name], depth + 1)
    if (plain === undefined || !isStorable(name)) return undefined
    copy[name] = plain
  }
  return copy
}

/** `text` with every character that jsonb refuses replaced by U+FFFD. */
export function storableText(text: string): string {
  return isStorable(text) ? text : text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}

function storableJson(value: JsonValue, depth: number): JsonValue {
  if (typeof value === 'string') return storableText(value)
  if (value === null || typeof value !== 'object') return value
  if (depth >= MAX_DEPTH) return null
  if (Array.isArray(value)) return value.map((member: JsonValue) => storableJson(member, depth + 1))
  const members = Object.entries(value).map(([name, member]) => [storableText(name), storableJson(member, depth + 1)])
  return Object.fromEntries(members) as JsonValue
}
