import ms from 'ms'
import { ConfigurationError } from './errors.js'

/** Milliseconds, or a text such as `'250ms'`, `'30s'`, `'5m'`, `'24h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/**
 * A duration in milliseconds.
 *
 * @throws {ConfigurationError} when it is not a finite number ≥ 0, naming the option.
 */
export function toMs(duration: Duration, option: string): number {
  const value = typeof duration === 'number' ? duration : ms(duration)
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new ConfigurationError(
      `${option} is ${JSON.stringify(duration)}: give milliseconds or a text such as '30s', '5m', '24h'.`,
    )
  }
  return value
}
