import {
  type Change,
  type ClaimTerms,
  type EffectTerms,
  type Entry,
  type Event,
  entryId,
  fingerprint,
  type Intent,
  type Journal,
  JournalError,
  type JsonValue,
  type Reason,
  reference,
  transition,
  type Written,
} from '../../protocol/index.js'

/** A journal as the suite meets it, and what the suite needs around it. */
export interface JournalSubject<Tx> {
  readonly journal: Journal<Tx>
  /** Another journal over the same entries, on connections of its own: another process. The subject's `close` closes it. */
  another(): Promise<Journal<Tx>>
  /** Runs `body` in a transaction of the user's own: commits when it returns, rolls back when it throws. */
  transaction<Result>(body: (tx: Tx) => Promise<Result>): Promise<Result>
  /** Writes a label in the transaction, as a user's own table would take a row. */
  mark(tx: Tx, label: string): Promise<void>
  /** The labels that have been committed. */
  marks(): Promise<readonly string[]>
  /** Lets this much time pass on the journal's own clock. */
  elapse(ms: number): Promise<void>
  /** Resolves once the listeners of `subscribe` surely hear; null where the journal cannot tell of changes. */
  readonly listening: (() => Promise<void>) | null
  close(): Promise<void>
}

/** One promise of a journal, and how to see that it is kept. */
export interface ConformanceCase<Tx> {
  /** The promise. */
  readonly name: string
  /** Rejects where the promise is broken. */
  readonly run: (subject: JournalSubject<Tx>, world: World) => Promise<void>
}

/** Names that no other case uses, so that all cases can share one journal. */
export class World {
  static #count = 0
  readonly namespace: string
  #keys = 0

  constructor() {
    World.#count++
    this.namespace = `conformance-${process.pid}-${World.#count}-${process.hrtime.bigint()}`
  }

  intent(
    overrides: Partial<
      Pick<Intent, 'effect' | 'key' | 'generation' | 'input' | 'hasSettledHandler' | 'serializeKey'>
    > = {},
  ): Intent {
    this.#keys++
    const effect = overrides.effect ?? 'charge'
    const key = overrides.key ?? `order-${this.#keys}`
    const generation = overrides.generation ?? 1
    const input: JsonValue = overrides.input ?? { order: key, cents: 1999 }
    return {
      id: entryId(this.namespace, effect, key),
      namespace: this.namespace,
      effect,
      key,
      generation,
      reference: reference(this.namespace, effect, key, generation),
      input,
      fingerprint: fingerprint(input),
      serializeKey: overrides.serializeKey ?? null,
      group: null,
      hasSettledHandler: overrides.hasSettledHandler ?? false,
    }
  }

  intents(count: number, overrides: Parameters<World['intent']>[0] = {}): Intent[] {
    return Array.from({ length: count }, () => this.intent(overrides))
  }

  effect(name = 'charge', terms: Partial<ClaimTerms> = {}): EffectTerms {
    return { namespace: this.namespace, effect: name, ...termsOf('worker', terms) }
  }
}

/** An hour: longer than any case. */
export const LONG_MS = 3_600_000

/** Terms of a claim, with a lease that outlasts the case. */
export function termsOf(owner: string, overrides: Partial<ClaimTerms> = {}): ClaimTerms {
  const leaseMs = overrides.leaseMs ?? LONG_MS
  return { owner, leaseMs, timeoutMs: leaseMs / 2, ...overrides }
}

/** The result of a batch's row that was not refused. */
export function accepted<Result>(result: Result | JournalError | undefined): Result {
  if (result === undefined) throw new Error('The journal gave no result for a row.')
  if (result instanceof JournalError) throw result
  return result
}

/** Begins one entry, which must be new. */
export async function beginNew<Tx>(journal: Journal<Tx>, intent: Intent, terms: ClaimTerms): Promise<Entry> {
  const [result] = await journal.begin([{ intent, terms }])
  const begun = accepted(result)
  if (!begun.created) throw new Error(`Entry ${intent.id} existed already.`)
  return begun.entry
}

/** Writes one event under the entry's own fence, or under `fence`. */
export async function writeEvent<Tx>(
  journal: Journal<Tx>,
  entry: Entry,
  event: Event,
  fence = entry.fence,
): Promise<Written> {
  const change: Change = transition(entry, event)
  const [result] = await journal.write([{ ...holderOf(entry), fence, change }])
  return accepted(result)
}

/** Who writes to a held entry, and under which claim. */
export function holderOf(entry: Entry): { id: string; fence: number; owner: string } {
  return { id: entry.id, fence: entry.fence, owner: entry.owner ?? 'nobody' }
}

/** An entry whose one call was lost, and which is parked since, in doubt, after so many look-ups in vain. */
export async function parkedInDoubt<Tx>(
  { journal, elapse }: Pick<JournalSubject<Tx>, 'journal' | 'elapse'>,
  intent: Intent,
  { reason, lookUpsInVain = 0 }: { readonly reason: Reason; readonly lookUpsInVain?: number },
): Promise<Entry> {
  const call = await beginNew(journal, intent, termsOf('me'))
  await writeEvent(journal, call, { ...UNKNOWN, retryInMs: 1 })
  for (let looks = 0; ; looks++) {
    await elapse(5)
    const claimed = await journal.claim(call.id, termsOf('resolver'))
    if (claimed?.claimed !== true) throw new Error(`The doubt ${call.id} was not claimed.`)
    if (looks === lookUpsInVain) {
      await writeEvent(journal, claimed.entry, { type: 'parked', reason, knownAbsent: false })
      return readEntry(journal, call.id)
    }
    await writeEvent(journal, claimed.entry, { type: 'postponed', dueInMs: 1, findFailed: reason })
  }
}

/** The entry as the journal has it. */
export async function readEntry<Tx>(journal: Journal<Tx>, id: string): Promise<Entry> {
  const [seen] = await journal.read([id])
  if (seen === null || seen === undefined) throw new Error(`There is no entry ${id}.`)
  return seen.entry
}

type AttemptEnded = Event & { readonly type: 'attempt_ended' }

/** What the holder of a call writes when the service did it. */
export const EXECUTED: AttemptEnded = {
  type: 'attempt_ended',
  outcome: { kind: 'executed', receipt: { id: 'ch_1' }, externalId: 'ch_1' },
  callOver: true,
  retryInMs: LONG_MS,
  maxAttempts: 3,
}

/** What the holder of a call writes when the service refused for good. */
export const REJECTED: AttemptEnded = {
  ...EXECUTED,
  outcome: { kind: 'rejected', reason: { code: 'card_declined', message: 'Declined.' }, settlesDoubt: false },
}

/** What the holder of a call writes when it may have happened. */
export const UNKNOWN: AttemptEnded = {
  ...EXECUTED,
  outcome: { kind: 'unknown', reason: { code: 'timeout', message: 'No answer.' }, keySpent: false },
}

/** What the holder of the last call that it is worth writes when the service turned it away: it is parked, and did not happen. */
export const TURNED_AWAY: AttemptEnded = {
  ...EXECUTED,
  outcome: {
    kind: 'not_executed',
    reason: { code: 'unavailable', message: 'The service was down.' },
    retryAfterMs: null,
  },
  maxAttempts: 1,
}

/** An entry with times as a journal keeps them: to the microsecond. */
export function toMicros(entry: Entry): Entry {
  const micros = (time: number | null): number | null => (time === null ? null : Math.round(time * 1000) / 1000)
  return {
    ...entry,
    leaseUntilMs: micros(entry.leaseUntilMs),
    dueAtMs: micros(entry.dueAtMs),
    firstSentAtMs: micros(entry.firstSentAtMs),
    lastDeadlineAtMs: micros(entry.lastDeadlineAtMs),
    inDoubtSinceMs: micros(entry.inDoubtSinceMs),
    createdAtMs: Math.round(entry.createdAtMs * 1000) / 1000,
    updatedAtMs: Math.round(entry.updatedAtMs * 1000) / 1000,
  }
}
