import type { Call } from '../../../protocol/index.js'
import type { Caller, CheckOf } from './check.js'

/** The effect whose loop has limits. */
const LIMITED = 'charge-order'

/** What two ways to the same moment of a worker's clock may differ by. */
const ROUNDING_MS = 0.001

/** Something that is asked of the service. */
interface Asked {
  /** On the clock of the worker that asks. */
  readonly atMs: number
  /** True time at which it gives up at the latest. */
  readonly overAtMs: number
  readonly call: Call
}

/**
 * L3: the loop of one process carries no more than its `concurrency` at the same time, begins no more than its `rateLimit`
 * in any stretch of time, and does not take from the journal what it would have to hold back. Of what only loops can have
 * called: `perform` waits for nobody, and is counted all the same.
 */
export const withinLimits: CheckOf = (world) => {
  const { concurrency, rate } = world.terms
  if (concurrency === null && rate === null) return {}
  const underWay = new Map<Caller, Asked[]>()
  const begun = new Map<Caller, Asked[]>()
  const clockOf = (caller: Caller): number => world.nowMs * caller.rate
  const isOfLoop = ({ call }: Asked): boolean => world.enqueuedOnly.has(call.key)
  /** Of one life, in the stretch that ends now. */
  const lately = (caller: Caller): readonly Asked[] => {
    if (rate === null) return []
    const sinceMs = clockOf(caller) - rate.perMs + ROUNDING_MS
    const kept = (begun.get(caller) ?? []).filter(({ atMs }) => atMs > sinceMs)
    begun.set(caller, kept)
    return kept
  }
  const asks = (caller: Caller, call: Call): void => {
    const asked = { atMs: clockOf(caller), overAtMs: world.nowMs + call.remainingMs() / caller.rate, call }
    begun.set(caller, [...lately(caller), asked])
    const now = [...(underWay.get(caller) ?? []).filter(({ overAtMs }) => overAtMs > world.nowMs), asked]
    underWay.set(caller, now)
    if (!isOfLoop(asked)) return
    const atOnce = now.filter(isOfLoop).length
    if (concurrency !== null && atOnce > concurrency)
      world.violate('L3 within its limits', `${caller.name} has ${atOnce} calls under way, and may have ${concurrency}`)
    const inStretch = lately(caller).filter(isOfLoop).length
    if (rate !== null && inStretch > rate.calls) {
      const most = `${rate.calls} in ${rate.perMs} ms`
      world.violate('L3 within its limits', `${caller.name} began ${inStretch} calls, and may begin ${most}`)
    }
  }
  return {
    sends: asks,
    looksUp: asks,
    ended: (caller, { reference, attempt }) => {
      const others = (underWay.get(caller) ?? []).filter(
        ({ call }) => call.reference !== reference || call.attempt !== attempt,
      )
      underWay.set(caller, others)
    },
    takes: (caller, effects, most) => {
      if (!effects.includes(LIMITED)) return
      const free = rate === null ? Number.POSITIVE_INFINITY : rate.calls - lately(caller).length
      if (most > free)
        world.violate('L3 within its limits', `${caller.name} takes up to ${most}, and may begin ${free} calls now`)
    },
  }
}
