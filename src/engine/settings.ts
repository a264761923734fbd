import { ConfigurationError, type Duration, MAX_KEY_LENGTH, storableText, toMs } from '../protocol/index.js'
import { aboveZero, wholeFromOne } from './effect.js'

/** The options of `new Counterfoil` that are a text or a number: what the user gave, if anything. */
interface Given {
  readonly namespace?: string
  readonly concurrency?: number
  readonly maxUnderWay?: number
  readonly pollInterval?: Duration
  readonly settledTimeout?: Duration
}

/** The same, checked, with the defaults put in. */
export interface Settings {
  readonly namespace: string
  readonly concurrency: number
  readonly maxUnderWay: number
  readonly pollMs: number
  readonly settledTimeoutMs: number
}

/**
 * Every one is checked here, before anything runs: a limit that is no number limits nothing, a poll of 0 never lets the
 * database rest, and a namespace that cannot be stored would show only when the first effect is begun.
 *
 * @throws {ConfigurationError} naming the option.
 */
export function settingsOf(given: Given): Settings {
  return {
    namespace: checkNamespace(given.namespace ?? 'default'),
    concurrency: wholeFromOne(given.concurrency ?? 32, 'concurrency'),
    maxUnderWay: wholeFromOne(given.maxUnderWay ?? 256, 'maxUnderWay'),
    pollMs: aboveZero(toMs(given.pollInterval ?? '1s', 'pollInterval'), 'pollInterval'),
    settledTimeoutMs: aboveZero(toMs(given.settledTimeout ?? '1m', 'settledTimeout'), 'settledTimeout'),
  }
}

// As a key is checked, which stands beside it in every row.
function checkNamespace(namespace: unknown): string {
  if (typeof namespace !== 'string') {
    throw new ConfigurationError(`namespace is of type ${typeof namespace}: it must be a text.`)
  }
  if (namespace === '' || namespace.length > MAX_KEY_LENGTH) {
    throw new ConfigurationError(
      `namespace has ${namespace.length} characters: it must have at least 1 and at most ${MAX_KEY_LENGTH}.`,
    )
  }
  if (storableText(namespace) !== namespace) {
    throw new ConfigurationError(
      'namespace holds U+0000 or a lone surrogate: it must be text that PostgreSQL can store.',
    )
  }
  return namespace
}
