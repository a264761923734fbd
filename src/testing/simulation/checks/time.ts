import type { CheckOf } from './check.js'

/**
 * L2: what was enqueued for a time is not taken before it, by the journal's clock, and is not due after it; what is due
 * and is not taken breaks I2.
 */
export const allInItsTime: CheckOf = (world) => {
  const earliest = new Map<string, number>()
  /** Of entries that nobody has seen yet. */
  const latest = new Map<string, number>()
  return {
    enqueued: (key, { earliestMs, latestMs }) => {
      earliest.set(key, earliestMs)
      latest.set(key, latestMs)
    },
    changed: (_, after) => {
      if (latest.size === 0) return
      for (const { key, state, dueAtMs } of after.values()) {
        const latestMs = latest.get(key)
        latest.delete(key)
        if (latestMs !== undefined && state === 'pending' && (dueAtMs ?? 0) > latestMs)
          world.violate('L2 all in its time', `${key} is due at ${dueAtMs}, and was asked for at ${latestMs}`)
      }
    },
    claimed: (ids, before) => {
      for (const id of ids) {
        const row = before.get(id)
        const earliestMs = row?.generation === 1 ? earliest.get(row.key) : undefined
        if (row === undefined || earliestMs === undefined || world.journalMs >= earliestMs) continue
        world.violate(
          'L2 all in its time',
          `${row.key} is taken at ${world.journalMs}, and not to be before ${earliestMs}`,
        )
      }
    },
  }
}
