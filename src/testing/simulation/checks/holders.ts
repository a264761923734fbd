import { type Entry, isAtRest } from '../../../protocol/index.js'
import type { CheckOf } from './check.js'

/** I6, P2 and P6: stale writes change nothing, held entries are not taken, and what rests stays as it is. */
export const onlyHoldersWrite: CheckOf = (world) => ({
  wrote: (writes, written, before) => {
    writes.forEach(({ id, fence, owner, change }, i) => {
      const row = before.get(id)
      const holds = row !== undefined && row.fence === fence && row.owner === owner
      if (written[i]?.applied === true && !holds) {
        const stale = `${owner} wrote ${change.state} under fence ${fence}`
        world.violate('I6 no stale write', `${stale}, and ${row?.owner} held fence ${row?.fence}: it took effect`)
      }
    })
  },
  claimed: (ids, before) => {
    for (const id of ids) {
      const row = before.get(id)
      if (row?.leaseUntilMs != null && row.leaseUntilMs > world.journalMs) {
        const held = `${row.owner} holds it until ${row.leaseUntilMs}`
        world.violate('P2 one holder', `${row.key} was taken at ${world.journalMs}, and ${held}`)
      }
    }
  },
  changed: (before, after) => {
    for (const [id, row] of after) {
      const earlier = before.get(id)
      if (earlier === undefined || !isAtRest(earlier.state)) continue
      if (row.generation === earlier.generation ? sameOutcome(earlier, row) : mayRenew(earlier, row)) continue
      world.violate('P6 what rests stays', `${row.key} was ${earlier.state} and became ${row.state}`)
    }
    for (const id of before.keys()) {
      if (!after.has(id)) world.violate('P6 what rests stays', `the entry ${id} is gone`)
    }
  },
})

function sameOutcome(before: Entry, after: Entry): boolean {
  if (before.state === 'parked' && before.inDoubtSinceMs !== null) return true // Evidence may still end a doubt.
  const undone = before.state === 'succeeded' && after.state === 'compensating'
  // What is known not to have happened may be called off, and nothing else may come of it in this generation.
  const calledOff = before.state === 'parked' && after.state === 'failed' && after.reason?.code === 'called_off'
  return (before.state === after.state || undone || calledOff) && before.externalId === after.externalId
}

function mayRenew(before: Entry, after: Entry): boolean {
  return before.state !== 'succeeded' && after.generation === before.generation + 1
}
