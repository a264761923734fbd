import type { CheckOf } from './check.js'

/**
 * P1 to P3: a call leaves only under a committed intent, by its one holder, inside the lease. And of P4 what has no
 * consequence that I1 would show: a key whose stored answer says nothing is not used again.
 */
export const callsAreAllowed: CheckOf = (world) => ({
  sends: (caller, call) => {
    const row = [...world.rows.values()].find((each) => each.reference === call.reference)
    const name = `${caller.name} (${caller.token})`
    if (row?.state !== 'executing' || row.firstSentAtMs === null || row.lastDeadlineAtMs === null) {
      return world.violate('P1 intent first', `${name} calls, and the journal says ${row?.state ?? 'nothing'}`)
    }
    if (row.owner?.startsWith(`${caller.token}.`) !== true || row.attempts !== call.attempt) {
      const holds = `${row.owner} holds attempt ${row.attempts}`
      return world.violate('P2 one holder', `${name} makes attempt ${call.attempt}, and ${holds}`)
    }
    const nowMs = world.journalMs
    const endsAtMs = nowMs + call.remainingMs() / caller.rate
    const leaseUntilMs = row.leaseUntilMs ?? 0
    if (nowMs > leaseUntilMs || endsAtMs > leaseUntilMs) {
      world.violate('P3 inside the lease', `${name} may call until ${endsAtMs}, and the lease ends at ${leaseUntilMs}`)
    }
    if (row.keySpent && row.inDoubtSinceMs !== null) {
      world.violate('P4 no repeat without proof', `${name} asks again with a key that only repeats its non-answer`)
    }
    if (call.remainingMs() <= 0) world.violate('P3 inside the lease', `${name} calls after its own deadline`)
  },
})
