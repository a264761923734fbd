import type { ObjectRecord } from './records.js'

/** One version of an object, with the versions before it. */
interface Version<T> {
  readonly record: T
  readonly sinceMs: number
  readonly before: Version<T> | null
}

/** What a page of a list may be narrowed to. Bounds are seconds, inclusive. */
export interface Selection<T> {
  readonly limit: number
  readonly startingAfter: string | null
  readonly endingBefore: string | null
  readonly createdFrom: number
  readonly createdTo: number
  readonly matches: (record: T) => boolean
}

/** A page, newest first. */
export interface Page<T> {
  readonly records: readonly T[]
  readonly hasMore: boolean
}

const DIGITS = 12

/**
 * All objects of one kind in one account, in the order of their creation. It mints the ids, and an id holds the
 * object's place, so that finding one needs no index. It keeps old versions: a lagging search shows the past.
 */
export class Collection<T extends ObjectRecord> {
  readonly #versions: Version<T>[] = []
  readonly #prefix: string

  /** `prefix` is the beginning of every id, for example `pi_`; it must be unlike that of any other account. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The id that the next object gets. */
  nextId(): string {
    return this.#prefix + this.#versions.length.toString(36).toUpperCase().padStart(DIGITS, '0')
  }

  /** Stores a new object. Its id must come from `nextId`, with nothing stored between. */
  add(record: T, atMs: number): T {
    if (record.id !== this.nextId()) throw new Error(`The id ${record.id} is not the next one; use nextId().`)
    this.#versions.push({ record, sinceMs: atMs, before: null })
    return record
  }

  /** Stores the next version of an object that exists. */
  replace(record: T, atMs: number): T {
    const place = this.#placeOf(record.id)
    const before = this.#versions[place]
    if (before === undefined) throw new Error(`There is no ${record.id} to replace.`)
    this.#versions[place] = { record, sinceMs: atMs, before }
    return record
  }

  get(id: string): T | undefined {
    return this.#versions[this.#placeOf(id)]?.record
  }

  /** The object as it was at a moment, or undefined if it did not exist yet. */
  asOf(id: string, atMs: number): T | undefined {
    let version: Version<T> | null | undefined = this.#versions[this.#placeOf(id)]
    while (version && version.sinceMs > atMs) version = version.before
    return version?.record
  }

  /** Every id, newest first. */
  *ids(): Generator<string> {
    for (let place = this.#versions.length - 1; place >= 0; place -= 1) {
      const id = this.#versions[place]?.record.id
      if (id !== undefined) yield id
    }
  }

  /**
   * A page as Stripe's lists give it: newest first; `startingAfter` goes towards older objects, `endingBefore` towards
   * newer ones. The cost is that of the records looked at, not of the collection.
   */
  page(selection: Selection<T>): Page<T> {
    const step = selection.endingBefore === null ? -1 : 1
    const found: T[] = []
    for (let place = this.#start(selection); ; place += step) {
      const record = this.#versions[place]?.record
      if (record === undefined) return arrange(found, false, step)
      if (step === -1 && record.created < selection.createdFrom) return arrange(found, false, step)
      if (step === 1 && record.created > selection.createdTo) return arrange(found, false, step)
      if (record.created < selection.createdFrom || record.created > selection.createdTo) continue
      if (!selection.matches(record)) continue
      if (found.length === selection.limit) return arrange(found, true, step)
      found.push(record)
    }
  }

  #start({ startingAfter, endingBefore, createdTo }: Selection<T>): number {
    if (startingAfter !== null) return this.#placeOf(startingAfter) - 1
    if (endingBefore !== null) return this.#placeOf(endingBefore) + 1
    return this.#lastCreatedBy(createdTo)
  }

  /** The last place whose object was created at or before a second; -1 if none. Creation times never decrease. */
  #lastCreatedBy(second: number): number {
    let low = 0
    let high = this.#versions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const record = this.#versions[middle]?.record
      if (record !== undefined && record.created <= second) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #placeOf(id: string): number {
    if (!id.startsWith(this.#prefix) || id.length !== this.#prefix.length + DIGITS) return -2
    const place = Number.parseInt(id.slice(this.#prefix.length), 36)
    return this.#versions[place]?.record.id === id ? place : -2
  }
}

function arrange<T>(found: T[], hasMore: boolean, step: 1 | -1): Page<T> {
  return { records: step === 1 ? found.reverse() : found, hasMore }
}
