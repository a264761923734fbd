import { ConfigurationError, type Provider, toMs } from '../../protocol/index.js'
import type { Clock, Randomness } from '../../system/index.js'
import { LONGEST_PAUSE_MS, type RateLimitTerms, ServiceGuard } from './service-guard.js'

/** What a guard needs to know of an effect. */
export interface EffectTermsOfGuard {
  readonly name: string
  readonly provider: Pick<Provider<unknown, unknown>, 'rateLimit' | 'service'>
}

/** What guards work with. `onError` hears of a pause that was asked for and is too long to be obeyed. */
export interface GuardsPorts {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly onError?: (error: unknown) => void
}

/** The guards of this process: one for each service, which all its effects share. */
export class Guards {
  readonly #ports: GuardsPorts
  readonly #byService = new Map<string, ServiceGuard>()

  /** @throws {ConfigurationError} when a rate limit makes no sense, or a service has two. */
  constructor(effects: Iterable<EffectTermsOfGuard>, ports: GuardsPorts) {
    this.#ports = ports
    for (const [service, rate] of ratesOf(effects)) this.#byService.set(service, this.#guard(service, rate))
  }

  of(effect: EffectTermsOfGuard): ServiceGuard {
    const service = serviceOf(effect)
    const guard = this.#byService.get(service) ?? this.#guard(service, null)
    this.#byService.set(service, guard)
    return guard
  }

  #guard(service: string, rate: RateLimitTerms | null): ServiceGuard {
    const { clock, randomness, onError } = this.#ports
    const onPauseTooLong = (askedMs: number): void =>
      onError?.(
        new Error(
          `The service ${JSON.stringify(service)} asked to be left alone for ${askedMs} ms; it is for ${LONGEST_PAUSE_MS} ms.`,
        ),
      )
    return new ServiceGuard(rate, { clock, randomness, onPauseTooLong })
  }
}

function serviceOf({ name, provider }: EffectTermsOfGuard): string {
  return provider.service ?? name
}

function ratesOf(effects: Iterable<EffectTermsOfGuard>): Map<string, RateLimitTerms> {
  const rates = new Map<string, RateLimitTerms>()
  for (const effect of effects) {
    const rate = rateLimitOf(effect)
    if (rate === null) continue
    const service = serviceOf(effect)
    const other = rates.get(service)
    if (other !== undefined && (other.calls !== rate.calls || other.perMs !== rate.perMs)) {
      throw new ConfigurationError(
        `The service ${JSON.stringify(service)} has two rate limits, ${describe(other)} and ${describe(rate)}: effects ` +
          'of one service share its limit. Give them the same, or services of their own.',
      )
    }
    rates.set(service, rate)
  }
  return rates
}

/** @throws {ConfigurationError} when it makes no sense. */
export function rateLimitOf({ name, provider }: EffectTermsOfGuard): RateLimitTerms | null {
  if (provider.rateLimit === undefined) return null
  const { calls } = provider.rateLimit
  const perMs = toMs(provider.rateLimit.per, `${name}: rateLimit.per`)
  if (Number.isInteger(calls) && calls >= 1 && perMs > 0) return { calls, perMs }
  throw new ConfigurationError(
    `${name}: the rate limit is ${calls} calls per ${perMs} ms; it takes a whole number from 1, and a time above 0.`,
  )
}

function describe({ calls, perMs }: RateLimitTerms): string {
  return `${calls} calls per ${perMs} ms`
}
