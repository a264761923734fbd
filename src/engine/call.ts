import {
  classifyError,
  type Entry,
  type FindResult,
  isUnreachable,
  newsOf,
  type Outcome,
  type Reason,
  Rejected,
  reasonOfError,
  type ServiceNews,
  toJsonLossy,
} from '../protocol/index.js'
import { externalIdOf, type RuntimeEffect } from './effect.js'
import { type CallNews, LONGEST_PAUSE_MS, type Permit } from './guards/index.js'
import { ABANDONED, type CallTime, type Ended, TimedCall } from './timed-call.js'

/** How asking the service for something ended, whatever was asked. */
interface AskedEnd {
  /** What it tells of the service. */
  readonly news: ServiceNews | null
  /** How long not to ask again for this entry, as far as the service is obeyed; 0: it did not say. */
  readonly pauseMs: number
}

/** How a call to the service ended. */
export interface CallEnd extends AskedEnd {
  readonly outcome: Outcome
  /** Nothing of it can still be on its way from here. False when it was abandoned at its deadline. */
  readonly callOver: boolean
}

/** How a look-up ended. */
export interface FindEnd extends AskedEnd {
  readonly result: FindResult
}

/** What a call is made with. */
export interface CallTerms extends CallTime {
  /** Hears how the call ended. */
  readonly permit: Permit
}

/**
 * Makes one call. It never throws: whatever happens is an outcome, at worst `unknown`.
 *
 * The deadline is on the monotonic clock and is checked immediately before sending (P3).
 */
export function execute<Tx>(
  effect: RuntimeEffect<Tx>,
  entry: Entry,
  input: unknown,
  terms: CallTerms,
): Promise<CallEnd> {
  if (terms.clock.monotonicMs() >= terms.deadlineMs) return Promise.resolve(notMade(TOO_LATE))
  terms.permit.start()
  return new Promise((resolve, reject) => {
    new TimedCall(entry, terms).make(
      (call) => effect.provider.execute(input, call),
      (ended) => {
        try {
          resolve(endOf(effect, terms.permit, ended))
        } catch (error) {
          reject(error)
        }
      },
    )
  })
}

function endOf<Tx>(effect: RuntimeEffect<Tx>, permit: Permit, ended: Ended | typeof ABANDONED): CallEnd {
  if (ended === ABANDONED) {
    permit.end(ILL)
    return { outcome: TIMED_OUT, callOver: false, news: 'ill', pauseMs: 0 }
  }
  const outcome = outcomeOf(effect, ended)
  const news = newsOfCall(outcome, ended)
  permit.end(news)
  return { outcome, callOver: true, news: news.service, pauseMs: pauseOf(outcome) }
}

/** The end of a call that was not made after all. */
export function notMade(outcome: Outcome): CallEnd {
  return { outcome, callOver: true, news: null, pauseMs: 0 }
}

const WELL: CallNews = { service: 'well', retryAfterMs: null }
const REACHABLE: CallNews = { service: 'reachable', retryAfterMs: null }
const ILL: CallNews = { service: 'ill', retryAfterMs: null }

function newsOfCall(outcome: Outcome, ended: Ended): CallNews {
  if (ended.ok) return WELL
  const service = newsOf(outcome, outcome.kind === 'not_executed' && isUnreachable(ended.error))
  // One that is well speaks of this call alone.
  return service === 'well' ? WELL : { service, retryAfterMs: retryAfterOf(outcome) }
}

function retryAfterOf(outcome: Outcome): number | null {
  return outcome.kind === 'not_executed' || outcome.kind === 'unknown' ? (outcome.retryAfterMs ?? null) : null
}

function pauseOf(outcome: Outcome): number {
  return Math.min(retryAfterOf(outcome) ?? 0, LONGEST_PAUSE_MS)
}

const TOO_LATE: Outcome = {
  kind: 'not_executed',
  reason: { code: 'deadline_before_send', message: 'The time to act was over before the call was made, so none was.' },
  retryAfterMs: null,
}

const TIMED_OUT: Outcome = {
  kind: 'unknown',
  reason: { code: 'timeout', message: 'The call did not end by its deadline and was abandoned.' },
  keySpent: false,
}

function outcomeOf<Tx>(effect: RuntimeEffect<Tx>, ended: Ended): Outcome {
  if (ended.ok) {
    const externalId = externalIdOf(effect.provider, ended.value)
    return { kind: 'executed', receipt: toJsonLossy(ended.value), externalId }
  }
  try {
    return effect.provider.classify?.(ended.error) ?? classifyError(ended.error)
  } catch {
    return classifyError(ended.error)
  }
}

/** Asks the service for our reference. It never throws: a failed look-up is an answer of its own (P5). */
export async function find<Tx>(
  effect: RuntimeEffect<Tx>,
  entry: Entry,
  input: unknown,
  terms: CallTerms,
): Promise<FindEnd> {
  const ask = effect.provider.find
  if (ask === undefined) return notAsked({ code: 'no_find', message: 'The provider has no find.' })
  terms.permit.start()
  const ended = await new Promise<Ended | typeof ABANDONED>((resolve) => {
    new TimedCall(entry, terms).make((call) => ask.call(effect.provider, input, call), resolve)
  })
  const outcome = ended === ABANDONED ? TIMED_OUT : outcomeOf(effect, ended)
  const news = newsOfFind(outcome, ended)
  terms.permit.end(news)
  return { result: resultOf(effect, ended), news: news.service, pauseMs: pauseOf(outcome) }
}

/** The end of a look-up that was not made. */
export function notAsked(reason: Reason): FindEnd {
  return { result: { kind: 'could_not_ask', reason }, news: null, pauseMs: 0 }
}

function resultOf<Tx>(effect: RuntimeEffect<Tx>, ended: Ended | typeof ABANDONED): FindResult {
  if (ended === ABANDONED) {
    return { kind: 'could_not_ask', reason: { code: 'timeout', message: 'The look-up did not end by its deadline.' } }
  }
  if (!ended.ok) {
    const { error } = ended
    if (error instanceof Rejected) return { kind: 'rejected', reason: error.reason }
    return { kind: 'could_not_ask', reason: reasonOfError(error) }
  }
  // `undefined` is no answer: a provider that forgets to return must not prove an absence (P5).
  if (ended.value === undefined) {
    return {
      kind: 'could_not_ask',
      reason: { code: 'find_returned_undefined', message: 'find returned undefined, not null.' },
    }
  }
  if (ended.value === null) return { kind: 'absent' }
  return {
    kind: 'present',
    receipt: toJsonLossy(ended.value),
    externalId: externalIdOf(effect.provider, ended.value),
  }
}

function newsOfFind(outcome: Outcome, ended: Ended | typeof ABANDONED): CallNews {
  const news = ended === ABANDONED ? ILL : newsOfCall(outcome, ended)
  return news.service === 'well' ? REACHABLE : news
}
