import type { Caller, CheckOf } from './check.js'

/** A rejection, of which call, and who heard it. */
interface Heard {
  readonly by: Caller
  readonly attempt: number
  readonly of: 'this call' | 'the reference'
}

/** P6: once a worker has heard a rejection and written down what came of its call, its reference is never called again. */
export const rejectionsStand: CheckOf = (world) => {
  /** Rejections that were heard and not yet written down. */
  const heard = new Map<string, Heard>()
  const final = new Set<string>()
  /** The last attempt that was made, and by whom. */
  const sent = new Map<string, { readonly by: Caller; readonly attempt: number }>()
  return {
    answered: (by, { reference, attempt }, rejected) => {
      // Of a call that was given up: nobody waits for its answer any more, and what is written next is of the later one.
      const last = sent.get(reference)
      if (last?.by === by && attempt < last.attempt) return
      if (rejected !== null) heard.set(reference, { by, attempt, of: rejected })
      else heard.delete(reference)
    },
    wrote: (writes, written, before) => {
      writes.forEach(({ id, owner, change }, i) => {
        // The beginning of a call, which a proxy may repeat, says nothing of how one ended.
        if (change.state === 'executing') return
        const row = before.get(id)
        const rejection = row === undefined ? undefined : heard.get(row.reference)
        if (row === undefined || rejection === undefined || written[i]?.applied !== true) return
        if (row.state !== 'executing' || !owner.startsWith(`${rejection.by.token}.`)) return
        // It ends a later call, which was never sent: of the rejected one the word was lost with its lease.
        if (row.attempts !== rejection.attempt) return
        heard.delete(row.reference)
        // What one call was refused says nothing of an earlier one that may have happened.
        if (rejection.of === 'the reference' || row.inDoubtSinceMs === null) final.add(row.reference)
      })
    },
    sends: (caller, { reference, key, attempt }) => {
      sent.set(reference, { by: caller, attempt })
      // What it writes from now on is about this call: where the rejection was never written down, nobody knows of it.
      if (heard.get(reference)?.by === caller) heard.delete(reference)
      if (final.has(reference))
        world.violate('P6 what rests stays', `${caller.name} calls for ${key} after its rejection`)
    },
    remembers: () => {
      const open = [...heard].map(([reference, { by, attempt, of }]) => `${reference} ${by.token} ${attempt} ${of}`)
      const last = [...sent].map(([reference, { by, attempt }]) => `${reference} ${by.token} ${attempt}`)
      return [...open.sort(), ...[...final].sort(), ...last.sort()].join()
    },
  }
}
