import {
  type Duration,
  isTransient,
  type LeaseGrant,
  type LeaseService,
  LeaseUnavailable,
  toMs,
  usableLeaseMs,
} from '../protocol/index.js'
import { type Clock, type Randomness, realClock, realRandomness } from '../system/index.js'
import { backoffMs } from './backoff.js'

/** On what terms a lease is asked for. */
export interface LeaseOptions {
  /** How long the lease lasts without renewal, at least 100 ms. Long enough for a garbage collection and a slow answer. */
  readonly ttl: Duration
  /** How long to wait while another holds it or the service cannot be asked. Default 0: ask once. */
  readonly wait?: Duration
  /** Stops the waiting. It does not end a lease once granted. */
  readonly signal?: AbortSignal
  /** Time, for a simulator. Default: the machine's. */
  readonly clock?: Clock
  /** Randomness, for a simulator. Default: the machine's. */
  readonly randomness?: Randomness
}

/** A grant, and how long its holder may act on it. */
export interface TimedGrant {
  readonly grant: LeaseGrant
  readonly ttlMs: number
  /** On the holder's monotonic clock, counted from before it asked: earlier than the service's own end (P3). */
  readonly usableUntilMs: number
}

/** Polling: soon at first, since most leases are short; never so often that waiters load the service. */
const POLL = { retryFirstMs: 20, retryLongestMs: 250 }
/** An answer that takes longer is given up, so that a driver that queues commands while disconnected hangs nobody. */
const LONGEST_ANSWER_MS = 5_000

/**
 * Waits for a lease of any service, by polling with full jitter: without order among the waiters.
 *
 * @throws {LeaseUnavailable} not granted within `wait`, or the signal aborted (`cause`), or a lasting fault of the service.
 * @throws {ConfigurationError} {@link InvalidKeyError}
 */
export async function acquireLease(service: LeaseService, key: string, options: LeaseOptions): Promise<TimedGrant> {
  const { clock = realClock, randomness = realRandomness, signal } = options
  const ttlMs = Math.ceil(toMs(options.ttl, 'ttl'))
  const giveUpAtMs = clock.monotonicMs() + toMs(options.wait ?? 0, 'wait')
  for (let tries = 1; ; tries++) {
    if (signal?.aborted) throw notGranted(key, 'held', 'the caller stopped waiting', signal.reason)
    const asked = await ask(service, key, ttlMs, { clock, randomness })
    if ('grant' in asked) return asked
    const leftMs = giveUpAtMs - clock.monotonicMs()
    if (leftMs <= 0 || signal?.aborted) throw asked.refusal
    await clock.sleep(Math.min(leftMs, backoffMs(randomness, tries, POLL)), signal)
  }
}

type Ports = Required<Pick<LeaseOptions, 'clock' | 'randomness'>>

async function ask(
  service: LeaseService,
  key: string,
  ttlMs: number,
  { clock, randomness }: Ports,
): Promise<TimedGrant | { readonly refusal: LeaseUnavailable }> {
  const holder = randomness.token()
  const usableUntilMs = clock.monotonicMs() + usableLeaseMs(ttlMs)
  const asked = service.acquire(key, ttlMs, holder)
  try {
    const grant = await answerOf(clock, key, ttlMs, asked)
    if (grant === null) return { refusal: notGranted(key, 'held', 'another holds it') }
    if (clock.monotonicMs() < usableUntilMs) return { grant, ttlMs, usableUntilMs }
    abandon(service, key, holder)
    return { refusal: notGranted(key, 'unreachable', 'the service took longer to grant it than it would have lasted') }
  } catch (error) {
    if (!(error instanceof LeaseUnavailable && isTransient(error))) throw error
    if (error.reason === 'unreachable') {
      abandon(service, key, holder)
      asked.then(() => abandon(service, key, holder)).catch(() => undefined)
    }
    return { refusal: error }
  }
}

/** The service's answer, or `LeaseUnavailable` when it takes too long to be of use. */
export async function answerOf<T>(clock: Clock, key: string, ttlMs: number, asked: Promise<T>): Promise<T> {
  const patienceMs = Math.min(LONGEST_ANSWER_MS, ttlMs)
  const answered = new AbortController()
  const late = clock.sleep(patienceMs, answered.signal).then((): never => {
    throw notGranted(key, 'unreachable', `the service did not answer within ${patienceMs} ms`)
  })
  // Whichever of the two comes last is nobody's any more.
  late.catch(() => undefined)
  asked.catch(() => undefined)
  try {
    return await Promise.race([asked, late])
  } finally {
    answered.abort()
  }
}

// It may have been granted though no answer came. The token is of this ask alone, so that giving it back takes nothing
// from anybody; if this fails too, the grant ends by its expiry.
function abandon(service: LeaseService, key: string, holder: string): void {
  service.release({ key, holder }).catch(() => undefined)
}

function notGranted(
  key: string,
  reason: LeaseUnavailable['reason'],
  problem: string,
  cause?: unknown,
): LeaseUnavailable {
  return new LeaseUnavailable(key, reason, `${problem}. It was not granted; ask again, or with a longer \`wait\`.`, {
    ...(cause === undefined ? {} : { cause }),
  })
}
