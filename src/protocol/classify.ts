import { NotExecuted, outcomeOfAnswer, reasonOfAnswer } from './answers.js'
import { storableText } from './json.js'
import type { Outcome, Reason } from './outcome.js'

/** Failures of the steps before a connection: no byte of a request can have left. */
const BEFORE_CONNECTION = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  // The service's certificate is judged before the first byte of a request.
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

/** Which system call failed decides: Linux reports the very same codes (ICMP) for a connection that had long stood. */
const BEFORE_CONNECTION_SYSCALLS = new Set(['connect', 'getaddrinfo'])

type FailedOutcome = Exclude<Outcome, { kind: 'executed' }>

/**
 * What an error of a call proves. Only a failure to connect proves that nothing was executed; everything that is not
 * surely harmless is `unknown` (a reset while reading, a timeout, a 5xx, a bug in the provider's code). It never throws.
 *
 * It trusts that a call sends one request: the error of a second one (a retry of the SDK's own, a redirect that was
 * followed) says nothing about the first.
 *
 * Sources: Node's `net`, `tls` and undici error codes, each tried against a real socket. Other TLS errors
 * (`ERR_SSL_WRONG_VERSION_NUMBER`, `EPROTO`) look the same in a handshake and after a request was read: unknown.
 */
export function classifyError(error: unknown): FailedOutcome {
  try {
    return classified(error)
  } catch {
    // Only to look at what was thrown may throw (a getter, a revoked proxy): that proves nothing.
    return { kind: 'unknown', reason: UNREADABLE, keySpent: false }
  }
}

function classified(error: unknown): FailedOutcome {
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

/** Whether a call that ended with `error`, known not to have been executed, met no service at all. It never throws. */
export function isUnreachable(error: unknown): boolean {
  try {
    if (error instanceof NotExecuted && error.unreachable !== null) return error.unreachable
    return isConnectionFailure(error)
  } catch {
    return false
  }
}

function isBeforeConnection(error: object): boolean {
  const code = textAt(error, 'code')
  const syscall = textAt(error, 'syscall')
  if (code !== undefined && BEFORE_CONNECTION.has(code)) return true
  if (code !== undefined && syscall !== undefined && BEFORE_CONNECTION_SYSCALLS.has(syscall)) return true
  return isUrlOfFetch(error)
}

// fetch wraps the failure to parse its URL; a bare one may come from code that ran after the call.
function isUrlOfFetch(error: object): boolean {
  const cause = memberOf(error, 'cause')
  return error instanceof TypeError && isObject(cause) && textAt(cause, 'code') === 'ERR_INVALID_URL'
}

const UNREADABLE: Reason = { code: 'thrown', message: 'Something was thrown that cannot even be looked at.' }

/** A storable reason for any thrown thing. It never throws. */
export function reasonOfError(error: unknown): Reason {
  try {
    return reasonOfAnswer(error) ?? (isObject(error) ? reasonOfObject(error) : reasonOfValue(error))
  } catch {
    return UNREADABLE
  }
}

function reasonOfValue(value: unknown): Reason {
  return { code: 'thrown', message: storableText(String(value)) }
}

function reasonOfObject(error: object): Reason {
  const name = textAt(error, 'name') || 'thrown'
  const message = textAt(error, 'message') || messageOfFirst(error) || name
  return { code: storableText(textAt(error, 'code') || name), message: storableText(message) }
}

// Node's failure to connect to any address of a name is an AggregateError without a message.
function messageOfFirst(error: object): string | undefined {
  const [first] = errorsOf(error)
  return isObject(first) ? textAt(first, 'message') : undefined
}

const MAX_CAUSES = 8

function findInCauses(error: unknown, matches: (error: object) => boolean): object | undefined {
  let current: unknown = error
  for (let i = 0; i < MAX_CAUSES && isObject(current); i++) {
    if (matches(current)) return current
    // Node tries every address of a name: all of them must have failed before a connection stood.
    const errors = errorsOf(current)
    if (errors.length > 0 && errors.every((each) => isObject(each) && matches(each))) return current
    current = memberOf(current, 'cause')
  }
  return undefined
}

function errorsOf(error: object): readonly unknown[] {
  const errors = error instanceof AggregateError ? memberOf(error, 'errors') : undefined
  return Array.isArray(errors) ? errors : []
}

function textAt(error: object, name: string): string | undefined {
  const member = memberOf(error, name)
  return typeof member === 'string' ? member : undefined
}

function memberOf(error: object, name: string): unknown {
  return (error as Readonly<Record<string, unknown>>)[name]
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
