import type { Entry, State } from '../../../protocol/index.js'
import type { CheckOf } from './check.js'

const OVER: ReadonlySet<State> = new Set(['succeeded', 'failed', 'compensated'])

/** I9: an entry becomes compact only once it has come to its end and is old enough, and loses nothing but its input and its receipt. */
export const onlyTheOldIsCompact: CheckOf = (world) => {
  const checkBecame = (before: Entry, now: Entry): void => {
    const name = `${now.key}, which is ${before.state} with its settlement ${before.settlement},`
    const isOver = OVER.has(before.state) && before.settlement !== 'due' && before.settlement !== 'dead'
    if (!isOver || before.leaseUntilMs !== null || before.dueAtMs !== null)
      world.violate('I9 only the old is compact', `${name} became compact`)
    const { compactAfterMs } = world.terms
    const ageMs = world.journalMs - before.updatedAtMs
    if (compactAfterMs === null || ageMs < compactAfterMs)
      world.violate('I9 only the old is compact', `${name} became compact at an age of ${ageMs} ms`)
    if (bonesOf(before) !== bonesOf(now) || now.input !== null || now.receipt !== null)
      world.violate('I9 only the old is compact', `${name} changed more, or less, than its input and its receipt`)
  }
  return {
    changed: (before, after) => {
      for (const [id, earlier] of before) {
        const now = after.get(id)
        if (now === undefined) continue
        if (now.isCompact && !earlier.isCompact) checkBecame(earlier, now)
        else if (earlier.isCompact && now.generation === earlier.generation && bonesOf(now) !== bonesOf(earlier))
          world.violate('I9 only the old is compact', `${now.key} was compact, and has changed`)
      }
    },
  }
}

function bonesOf(entry: Entry): string {
  return JSON.stringify({ ...entry, input: null, receipt: null, isCompact: true })
}
