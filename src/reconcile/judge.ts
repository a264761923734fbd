import {
  type AuditedEntry,
  currencyCode,
  type ExternalOperation,
  type FindingDraft,
  type FindingKind,
  type Money,
  uuidOfParts,
} from '../protocol/index.js'

/** The operations that speak of one business key, beside the entry of that key. */
export interface Group {
  readonly operations: readonly { readonly operation: ExternalOperation; readonly owned: boolean }[]
  readonly entry: AuditedEntry | null
  /** What the entry moved, by its provider; null where that is not known. */
  readonly expected: Money | null
}

/** What holds for a whole audit. */
export interface JudgeTerms {
  readonly namespace: string
  readonly effect: string
  /** What was made or written after this is still moving: it is looked at again in the next audit. */
  readonly restedByMs: number
}

/** What an audit makes of one group. Every operation is counted in exactly one way. */
export interface Verdict {
  readonly matched: number
  readonly moving: number
  readonly foreign: number
  readonly undone: number
  readonly findings: readonly FindingDraft[]
  /** It happened, and its entry does not know: evidence that settles it. Its finding stands among `findings`. */
  readonly lateSuccess: ExternalOperation | null
}

/**
 * What the operations of one business key and its entry say about each other. Pure.
 *
 * Which one is kept of several live ones: the recorded one, else the earliest.
 */
export function judge(group: Group, terms: JudgeTerms): Verdict {
  const { entry } = group
  const owned = entry === null ? group.operations.filter((each) => each.owned) : group.operations
  const operations = owned.map((each) => each.operation).sort(earliestFirst)
  const foreign = group.operations.length - owned.length
  const judged =
    entry === null ? new Judging(terms, null).withoutEntry(operations) : judgeEntry(group, entry, terms, operations)
  return { ...judged, foreign }
}

function judgeEntry(
  group: Group,
  entry: AuditedEntry,
  terms: JudgeTerms,
  operations: readonly ExternalOperation[],
): Omit<Verdict, 'foreign'> {
  const judging = new Judging(terms, entry)
  switch (entry.state) {
    case 'in_doubt':
    case 'parked':
      return entry.isHeld ? judging.allMoving(operations) : judging.doubt(operations)
    case 'failed':
      return judging.failed(operations)
    case 'succeeded':
    case 'compensated':
      return judging.recorded(operations, group.expected)
    default:
      return judging.allMoving(operations)
  }
}

class Judging {
  readonly #terms: JudgeTerms
  readonly #entry: AuditedEntry | null
  readonly #findings: FindingDraft[] = []
  #matched = 0
  #moving = 0
  #undone = 0

  constructor(terms: JudgeTerms, entry: AuditedEntry | null) {
    this.#terms = terms
    this.#entry = entry
  }

  allMoving(operations: readonly ExternalOperation[]): Omit<Verdict, 'foreign'> {
    this.#moving += operations.length
    return this.#verdict(null)
  }

  withoutEntry(operations: readonly ExternalOperation[]): Omit<Verdict, 'foreign'> {
    this.#unaccounted(this.#live(operations), 'no_entry', 'The journal has no entry for it.')
    return this.#verdict(null)
  }

  failed(operations: readonly ExternalOperation[]): Omit<Verdict, 'foreign'> {
    this.#unaccounted(this.#live(operations), 'recorded_as_failed', 'Its entry says that it did not happen.')
    return this.#verdict(null)
  }

  /** The earliest live operation with the very reference is what happened. */
  doubt(operations: readonly ExternalOperation[]): Omit<Verdict, 'foreign'> {
    const reference = this.#entry?.reference
    const late = operations.find((each) => each.state === 'live' && each.reference === reference) ?? null
    if (late === null) {
      this.#unaccounted(this.#live(operations), 'other_reference', 'Its entry is in doubt about another reference.')
      return this.#verdict(null)
    }
    const rest = this.#live(operations.filter((each) => each !== late))
    this.#find('orphan', 'late_success', 'It happened, and its entry did not know.', late, null)
    this.#tooMany(rest, { externalId: late.externalId, seenLive: true })
    return this.#verdict(late)
  }

  recorded(operations: readonly ExternalOperation[], expected: Money | null): Omit<Verdict, 'foreign'> {
    const entry = this.#entry
    if (entry === null) return this.withoutEntry(operations)
    const isRecorded = (each: ExternalOperation): boolean =>
      entry.externalId === null ? each.reference === entry.reference : each.externalId === entry.externalId
    const recorded = operations.find(isRecorded) ?? null
    const others = this.#live(operations.filter((each) => each !== recorded))
    if (recorded !== null) this.#compare(recorded, entry, expected)
    // Not listed at all, it is kept all the same: it lies outside of the window, or is found missing.
    const keptId = recorded?.externalId ?? entry.externalId
    const isKept = entry.state === 'succeeded' && (recorded === null || recorded.state !== 'undone')
    if (isKept && keptId !== null) this.#tooMany(others, { externalId: keptId, seenLive: recorded?.state === 'live' })
    else this.#unaccounted(others, 'other_operation', 'Its entry stands for another operation, which was undone.')
    return this.#verdict(null)
  }

  #compare(operation: ExternalOperation, entry: AuditedEntry, expected: Money | null): void {
    if (operation.state === 'pending' || entry.isBeingUndone) {
      this.#moving++
      return
    }
    const differs = differences(operation, entry, expected)
    if (differs.length === 0) this.#matched++
    else if (this.#isYoung(operation)) this.#moving++
    else {
      const code = differs.map((each) => each.code).join('+')
      const message = differs.map((each) => each.message).join(' ')
      this.#find('mismatch', code, message, operation, null, expected)
    }
  }

  /** Live operations of a key that has none of them on record: the earliest is an orphan, the others duplicates of it. */
  #unaccounted(live: readonly ExternalOperation[], code: string, message: string): void {
    const [first, ...rest] = live
    if (first === undefined) return
    this.#find('orphan', code, message, first, null)
    this.#tooMany(rest, { externalId: first.externalId, seenLive: true })
  }

  #tooMany(
    live: readonly ExternalOperation[],
    kept: { readonly externalId: string; readonly seenLive: boolean },
  ): void {
    for (const each of live) {
      const same = each.reference !== null && each.reference === this.#entry?.reference
      const code = same ? 'same_reference' : 'other_reference'
      const message = `It is live beside ${kept.externalId}, for the same business key.`
      this.#find('duplicate', code, message, each, kept)
    }
  }

  /** The live ones that are at rest; the others are counted. */
  #live(operations: readonly ExternalOperation[]): ExternalOperation[] {
    return operations.filter((each) => {
      if (each.state === 'undone') this.#undone++
      else if (each.state === 'pending' || this.#isYoung(each)) this.#moving++
      else return true
      return false
    })
  }

  #isYoung(operation: ExternalOperation): boolean {
    const { restedByMs } = this.#terms
    return operation.createdAtMs > restedByMs || (this.#entry?.updatedAtMs ?? 0) > restedByMs
  }

  #find(
    kind: FindingKind,
    code: string,
    message: string,
    operation: ExternalOperation,
    kept: FindingDraft['kept'],
    expected: Money | null = null,
  ): void {
    this.#findings.push({
      id: findingId(this.#terms, kind, operation.externalId),
      ...{ kind, code, message, kept, expected },
      externalId: operation.externalId,
      reference: operation.reference,
      entryId: this.#entry?.id ?? null,
      key: this.#entry?.key ?? operation.key,
      amount: liveAmount(operation),
    })
  }

  #verdict(lateSuccess: ExternalOperation | null): Omit<Verdict, 'foreign'> {
    return {
      ...{ matched: this.#matched, moving: this.#moving, undone: this.#undone },
      findings: this.#findings,
      lateSuccess,
    }
  }
}

interface Difference {
  readonly code: string
  readonly message: string
}

/** What the journal and the service do not agree about. */
function differences(operation: ExternalOperation, entry: AuditedEntry, expected: Money | null): Difference[] {
  const { amount, state } = operation
  const found: Difference[] = []
  const say = (code: string, message: string): void => void found.push({ code, message })
  if (entry.state === 'succeeded' && state === 'undone') say('undone', 'It was undone, and not by us.')
  if (entry.state === 'compensated' && state === 'live') say('still_live', 'It is recorded as undone, and is live.')
  if (amount === null) return found
  if (expected !== null && currencyCode(expected.currency) !== currencyCode(amount.currency)) {
    say('currency', `It moved ${currencyCode(amount.currency)} instead of ${currencyCode(expected.currency)}.`)
  } else if (expected !== null && expected.minorUnits !== amount.minorUnits) {
    say('amount', `It moved ${amount.minorUnits} instead of ${expected.minorUnits} ${currencyCode(amount.currency)}.`)
  }
  if (state === 'live' && entry.state === 'succeeded' && amount.undoneMinorUnits !== entry.undoneMinorUnits) {
    say('partly_undone', `${amount.undoneMinorUnits} of it were given back, ${entry.undoneMinorUnits} of them by us.`)
  }
  return found
}

/** An entry that succeeded and was not listed. */
export function missingFinding(entry: AuditedEntry, expected: Money | null, terms: JudgeTerms): FindingDraft {
  return {
    id: findingId(terms, 'missing', entry.id),
    kind: 'missing',
    code: 'not_listed',
    message: 'It is recorded as succeeded, and the service does not list it.',
    externalId: entry.externalId,
    reference: entry.reference,
    entryId: entry.id,
    key: entry.key,
    kept: null,
    amount: null,
    expected,
  }
}

/** The same for the same fact, whichever audit finds it: a UUID of version 8 (RFC 9562). */
export function findingId(terms: Pick<JudgeTerms, 'namespace' | 'effect'>, kind: FindingKind, about: string): string {
  return uuidOfParts(['finding', terms.namespace, terms.effect, kind, about])
}

function liveAmount({ amount }: ExternalOperation): Money | null {
  if (amount === null) return null
  return { minorUnits: amount.minorUnits - amount.undoneMinorUnits, currency: currencyCode(amount.currency) }
}

function earliestFirst(one: ExternalOperation, other: ExternalOperation): number {
  return one.createdAtMs - other.createdAtMs || (one.externalId < other.externalId ? -1 : 1)
}
