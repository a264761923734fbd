import { NotExecuted, OutcomeUnknown, outcomeOfAnswer } from './answers.js'
import { storableText } from './json.js'
import type { Outcome, Reason } from './outcome.js'

/** Failures before a connection stood: no byte of a request can have left. */
const BEFORE_CONNECTION = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_INVALID_URL',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

type FailedOutcome = Exclude<Outcome, { kind: 'executed' }>

/**
 * What an error of a call proves. Only a failure to connect proves that nothing was executed; everything that is not
 * surely harmless is `unknown` (a reset while reading, a timeout, a 5xx, a bug in the provider's code).
 *
 * Sources: Node's `net` and undici error codes, each tried against a real socket.
 */
export function classifyError(error: unknown): FailedOutcome {
  const answer = outcomeOfAnswer(error)
  if (answer !== undefined) return answer
  const beforeConnection = findInCauses(error, isBeforeConnection)
  return beforeConnection === undefined
    ? { kind: 'unknown', reason: reasonOfError(error), keySpent: false }
    : { kind: 'not_executed', reason: reasonOfError(beforeConnection), retryAfterMs: null }
}

/** Whether the error, or one that it wraps, says that no connection to the service ever stood. */
export function isConnectionFailure(error: unknown): boolean {
  return findInCauses(error, isBeforeConnection) !== undefined
}

function isBeforeConnection(error: object): boolean {
  const code = 'code' in error ? error.code : undefined
  if (typeof code !== 'string') return false
  if (BEFORE_CONNECTION.has(code)) return true
  const inConnect = 'syscall' in error && error.syscall === 'connect'
  return inConnect && (code === 'ECONNRESET' || code === 'ETIMEDOUT')
}

/** A storable reason for any thrown thing. */
export function reasonOfError(error: unknown): Reason {
  if (error instanceof NotExecuted || error instanceof OutcomeUnknown) return error.reason
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
    return { code: storableText(code), message: storableText(error.message) || error.name }
  }
  return { code: 'thrown', message: storableText(String(error)) }
}

const MAX_CAUSES = 8

function findInCauses(error: unknown, matches: (error: object) => boolean): object | undefined {
  let current: unknown = error
  for (let i = 0; i < MAX_CAUSES && typeof current === 'object' && current !== null; i++) {
    if (matches(current)) return current
    // Node tries every address of a name: all of them must have failed before a connection stood.
    if (current instanceof AggregateError && current.errors.length > 0) {
      const all = current.errors.every((each: unknown) => typeof each === 'object' && each !== null && matches(each))
      if (all) return current
    }
    current = 'cause' in current ? current.cause : undefined
  }
  return undefined
}
