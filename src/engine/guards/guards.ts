import { ConfigurationError, type Provider, toMs } from '../../protocol/index.js'
import type { Clock, Randomness } from '../../system/index.js'
import { type RateLimitTerms, ServiceGuard } from './service-guard.js'

/** What a guard needs to know of an effect. */
export interface EffectTermsOfGuard {
  readonly name: string
  readonly provider: Pick<Provider<unknown, unknown>, 'rateLimit' | 'service'>
}

/** The guards of this process: one for each service, which all its effects share. */
export class Guards {
  readonly #ports: { readonly clock: Clock; readonly randomness: Randomness }
  readonly #byService = new Map<string, ServiceGuard>()

  /** @throws {ConfigurationError} when a rate limit makes no sense, or a service has two. */
  constructor(
    effects: Iterable<EffectTermsOfGuard>,
    ports: { readonly clock: Clock; readonly randomness: Randomness },
  ) {
    this.#ports = ports
    for (const [service, rate] of ratesOf(effects)) this.#byService.set(service, new ServiceGuard(rate, ports))
  }

  of(effect: EffectTermsOfGuard): ServiceGuard {
    const service = serviceOf(effect)
    const guard = this.#byService.get(service) ?? new ServiceGuard(null, this.#ports)
    this.#byService.set(service, guard)
    return guard
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
