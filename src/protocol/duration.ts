import { inspect } from 'node:util'
import ms, { type StringValue } from 'ms'
import { ConfigurationError } from './errors.js'

/** Milliseconds, or a text such as `'250ms'`, `'30s'`, `'5m'`, `'24h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/**
 * A duration in whole milliseconds (rounded).
 *
 * @throws {ConfigurationError} when it is not a finite number ≥ 0 or a text with a unit, naming the option.
 */
export function toMs(duration: Duration, option: string): number {
  const value = parse(duration)
  if (value === undefined || !Number.isFinite(value) || value < 0) {
    throw new ConfigurationError(
      `${option} is ${inspect(duration)}: give milliseconds or a text such as '250ms', '30s', '5m', '24h', '7d'.`,
    )
  }
  return Math.round(value)
}

// The type allows less than a caller without types may pass; a text without a unit could mean anything.
function parse(duration: unknown): number | undefined {
  if (typeof duration === 'number') return duration
  return typeof duration === 'string' && /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(duration)
    ? ms(duration as StringValue)
    : undefined
}
