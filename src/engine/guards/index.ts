export { type EffectTermsOfGuard, Guards, rateLimitOf } from './guards.js'
export type { CallNews, Permit, RateLimitTerms } from './service-guard.js'
export { LONGEST_PAUSE_MS, ServiceGuard } from './service-guard.js'
