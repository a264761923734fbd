import { invalidRequest, missingParameter } from './errors.js'
import { arrayValues, type Form } from './form.js'
import type { Metadata } from './records.js'

/** Where a page begins and how long it is. */
export interface PageParameters {
  readonly limit: number
  readonly startingAfter: string | null
  readonly endingBefore: string | null
  readonly createdFrom: number
  readonly createdTo: number
}

const LARGEST_AMOUNT = 99_999_999
const LONGEST_PAGE = 100
const DEFAULT_PAGE = 10
const METADATA_KEYS = 50
const METADATA_KEY_LENGTH = 40
const METADATA_VALUE_LENGTH = 500

/** The parameters of one request, read with the checks and errors of Stripe's API. */
export class Parameters {
  readonly #form: Form

  /** @throws {ApiError} `parameter_unknown` for a parameter that is not in `accepted`. */
  constructor(form: Form, accepted: ReadonlySet<string>) {
    for (const name in form) {
      if (accepted.has(name)) continue
      throw invalidRequest(`Received unknown parameter: ${name}`, { code: 'parameter_unknown', param: name })
    }
    this.#form = form
  }

  /** Whether the parameter was given at all. */
  has(name: string): boolean {
    return this.#form[name] !== undefined
  }

  /** A text; null if it is absent or empty (Stripe unsets with an empty value). */
  text(name: string): string | null {
    const value = this.#form[name]
    if (typeof value === 'object') throw invalidRequest('Invalid string', { param: name })
    return value === undefined || value === '' ? null : value
  }

  requiredText(name: string): string {
    const value = this.text(name)
    if (value === null) throw missingParameter(name)
    return value
  }

  /** An amount in the smallest unit of its currency; null if it is absent. */
  amount(name: string): number | null {
    const value = this.text(name)
    if (value === null) return null
    const amount = wholeNumber(name, value)
    if (amount < 1) throw invalidRequest('Invalid positive integer', { code: 'parameter_invalid_integer', param: name })
    if (amount > LARGEST_AMOUNT) {
      throw invalidRequest('Amount must be no more than $999,999.99', { code: 'amount_too_large', param: name })
    }
    return amount
  }

  requiredAmount(name: string): number {
    const amount = this.amount(name)
    if (amount === null) throw missingParameter(name)
    return amount
  }

  /** A currency code in lower case. */
  requiredCurrency(name: string): string {
    const currency = this.requiredText(name).toLowerCase()
    if (!/^[a-z]{3}$/.test(currency)) throw invalidRequest(`Invalid currency: ${currency}.`, { param: name })
    return currency
  }

  flag(name: string, otherwise = false): boolean {
    const value = this.text(name)
    if (value === null) return otherwise
    if (value === 'true' || value === 'false') return value === 'true'
    throw invalidRequest(`Invalid boolean: ${value}`, { param: name })
  }

  choice<const Option extends string>(name: string, options: readonly Option[]): Option | null {
    const value = this.text(name)
    if (value === null) return null
    const option = options.find((candidate) => candidate === value)
    if (option !== undefined) return option
    throw invalidRequest(`Invalid ${name}: must be one of ${options.join(', ')}`, { param: name })
  }

  /** A nested parameter; null if it is absent. */
  nested(name: string): Form | null {
    const value = this.#form[name]
    return typeof value === 'object' ? value : null
  }

  /** The metadata of a new object, within Stripe's limits. */
  metadata(): Metadata {
    return withChanges({}, this.metadataChanges())
  }

  /** Changes to an object's metadata, within Stripe's limits; an empty value unsets its key. */
  metadataChanges(): Metadata {
    const given = this.nested('metadata')
    if (given === null) return {}
    const metadata: Record<string, string> = {}
    for (const [key, value] of Object.entries(given)) {
      const param = `metadata[${key}]`
      if (typeof value !== 'string') throw invalidRequest('Metadata values must be strings.', { param })
      if (key.length > METADATA_KEY_LENGTH) {
        throw invalidRequest(`Metadata keys can have up to ${METADATA_KEY_LENGTH} characters.`, { param })
      }
      if (value.length > METADATA_VALUE_LENGTH) {
        throw invalidRequest(`Metadata values can have up to ${METADATA_VALUE_LENGTH} characters.`, { param })
      }
      metadata[key] = value
    }
    if (Object.keys(metadata).length > METADATA_KEYS) {
      throw invalidRequest(`Metadata can have up to ${METADATA_KEYS} keys.`, { param: 'metadata' })
    }
    return metadata
  }

  /** The values of a parameter that is an array. */
  array(name: string): string[] {
    return arrayValues(this.#form[name])
  }

  pageLimit(): number {
    const value = this.text('limit')
    if (value === null) return DEFAULT_PAGE
    const limit = wholeNumber('limit', value)
    if (limit >= 1 && limit <= LONGEST_PAGE) return limit
    throw invalidRequest(`Limit must be between 1 and ${LONGEST_PAGE}.`, { param: 'limit' })
  }

  page(): PageParameters {
    const startingAfter = this.text('starting_after')
    const endingBefore = this.text('ending_before')
    if (startingAfter !== null && endingBefore !== null) {
      throw invalidRequest('You may only specify one of these parameters: starting_after, ending_before.')
    }
    return { limit: this.pageLimit(), startingAfter, endingBefore, ...this.#createdBounds() }
  }

  #createdBounds(): { createdFrom: number; createdTo: number } {
    const created = this.#form.created
    if (created === undefined) return { createdFrom: Number.NEGATIVE_INFINITY, createdTo: Number.POSITIVE_INFINITY }
    if (typeof created === 'string') {
      const second = wholeNumber('created', created)
      return { createdFrom: second, createdTo: second }
    }
    const bound = (name: string, otherwise: number, offset = 0): number => {
      const value = created[name]
      return typeof value === 'string' ? wholeNumber(`created[${name}]`, value) + offset : otherwise
    }
    return {
      createdFrom: Math.max(bound('gte', Number.NEGATIVE_INFINITY), bound('gt', Number.NEGATIVE_INFINITY, 1)),
      createdTo: Math.min(bound('lte', Number.POSITIVE_INFINITY), bound('lt', Number.POSITIVE_INFINITY, -1)),
    }
  }
}

/** Metadata after changes: an empty value unsets its key. */
export function withChanges(metadata: Metadata, changes: Metadata): Metadata {
  const changed: Record<string, string> = { ...metadata }
  for (const [key, value] of Object.entries(changes)) {
    if (value === '') delete changed[key]
    else changed[key] = value
  }
  return changed
}

function wholeNumber(name: string, value: string): number {
  if (/^-?\d{1,15}$/.test(value)) return Number(value)
  throw invalidRequest(`Invalid integer: ${value}`, { code: 'parameter_invalid_integer', param: name })
}
