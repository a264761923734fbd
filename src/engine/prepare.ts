import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  fingerprint,
  type Intent,
  InvalidInputError,
  InvalidKeyError,
  type JsonValue,
  MAX_KEY_LENGTH,
  namesOf,
  storableText,
  toJson,
} from '../protocol/index.js'
import type { RuntimeEffect } from './effect.js'

/** What was checked of an input, and what the user's functions made of it. */
interface Checked {
  readonly effect: Pick<RuntimeEffect<never>, 'name' | 'settled'>
  readonly namespace: string
  readonly key: string
  readonly generation: number
  readonly stored: JsonValue
  readonly input: unknown
  /** What has to be the same in duplicates (P7). */
  readonly identifying: JsonValue
  readonly serializeKey: string | null
  readonly group: string | null
}

/**
 * An effect that is ready to begin: checked, with nothing written or sent yet. Its names are hashed when they are first
 * asked for: a caller who joins another of this process needs none.
 */
export class Prepared {
  readonly #checked: Checked
  #intent: Intent | null = null

  constructor(checked: Checked) {
    this.#checked = checked
  }

  get key(): string {
    return this.#checked.key
  }

  /** What `execute` sees: the input after the schema. */
  get input(): unknown {
    return this.#checked.input
  }

  get intent(): Intent {
    this.#intent ??= intentOf(this.#checked)
    return this.#intent
  }

  /** Whether another of the same key and generation is the same effect, and no reuse of its key (P7). */
  isSameAs(other: Prepared): boolean {
    // What this asks is whether their fingerprints are the same, without working them out.
    return isDeepStrictEqual(this.#checked.identifying, other.#checked.identifying)
  }
}

/**
 * Checks an input; a promise only where a schema has to be asked.
 *
 * @throws {InvalidInputError} {@link InvalidKeyError} before anything is written or sent.
 */
export function prepare<Tx>(
  effect: RuntimeEffect<Tx>,
  namespace: string,
  raw: unknown,
  generation: number,
): Prepared | Promise<Prepared> {
  const stored = toJson(raw)
  const input = readInput(effect, stored)
  return input instanceof Promise
    ? input.then((validated: unknown) => prepared(effect, { namespace, stored, input: validated, generation }))
    : prepared(effect, { namespace, stored, input, generation })
}

interface Validated {
  readonly namespace: string
  readonly stored: JsonValue
  readonly input: unknown
  readonly generation: number
}

function prepared<Tx>(effect: RuntimeEffect<Tx>, { namespace, stored, input, generation }: Validated): Prepared {
  return new Prepared({
    effect,
    namespace,
    key: checkKey(effect.key(input), 'key'),
    generation,
    stored,
    input,
    identifying: effect.fingerprint === undefined ? stored : toJson(effect.fingerprint(input), 'fingerprint'),
    serializeKey: effect.serializeBy === undefined ? null : checkKey(effect.serializeBy(input), 'serializeBy key'),
    group: effect.group === undefined ? null : checkKey(effect.group(input), 'group'),
  })
}

function intentOf({ effect, namespace, key, generation, stored, identifying, serializeKey, group }: Checked): Intent {
  const { id, reference } = namesOf(namespace, effect.name, key, generation)
  return {
    id,
    namespace,
    effect: effect.name,
    key,
    generation,
    reference,
    input: stored,
    fingerprint: fingerprint(identifying),
    serializeKey,
    group,
    hasSettledHandler: effect.settled !== undefined,
  }
}

/**
 * A stored (or just checked) input as `execute` sees it. Every caller goes through the stored form, so that the first
 * call and one made days later by another process see the same.
 *
 * A promise only where a schema has to be asked: every effect comes through here.
 *
 * @throws {InvalidInputError} when the schema refuses it.
 */
export function readInput<Tx>(effect: RuntimeEffect<Tx>, stored: JsonValue): unknown {
  return effect.input === undefined ? stored : validated(effect.input, stored)
}

async function validated(schema: StandardSchemaV1, stored: JsonValue): Promise<unknown> {
  const result = await schema['~standard'].validate(stored)
  if (result.issues !== undefined) throw new InvalidInputError('input', describeIssues(result.issues))
  return result.value
}

/** The issues of a Standard Schema in one sentence. */
export function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  return `is refused by its schema: ${issues.map(describeIssue).join('; ')}`
}

function describeIssue(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return path === '' ? issue.message : `${path}: ${issue.message}`
}

function checkKey(key: unknown, what: string): string {
  if (typeof key !== 'string') throw new InvalidKeyError(`must be a string; the ${what} is ${typeof key}`)
  if (key.length === 0) throw new InvalidKeyError(`must not be empty; the ${what} is`)
  if (key.length > MAX_KEY_LENGTH) {
    throw new InvalidKeyError(`must have at most ${MAX_KEY_LENGTH} characters; the ${what} has ${key.length}`)
  }
  if (storableText(key) !== key) {
    throw new InvalidKeyError(`must be text that PostgreSQL can store; the ${what} holds U+0000 or a lone surrogate`)
  }
  return key
}
