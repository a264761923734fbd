import type { Entry, JournalTime, State } from '../protocol/index.js'

/** An effect that is being undone, or has been, was executed: its handler is owed that news (P8). */
const SETTLEABLE: readonly State[] = ['succeeded', 'failed', 'compensating', 'compensated']

/** Whether the `settled` handler may run now: the outcome is known and nobody has marked its consequences done. */
export function isSettleable(entry: Entry): boolean {
  return entry.settlement === 'due' && SETTLEABLE.includes(entry.state)
}

/** The entry after its `settled` handler has run. `settlementAttempts` counts the runs, this one included. */
export function markSettled(entry: Entry, nowMs: JournalTime): Entry {
  return {
    ...entry,
    settlement: 'done',
    settlementAttempts: entry.settlementAttempts + 1,
    dueAtMs: null,
    updatedAtMs: nowMs,
  }
}

/** The entry after a run of its `settled` handler that failed: due again in `retryInMs`, or dead when that is null (P8). */
export function noteSettlementFailure(entry: Entry, retryInMs: number | null, nowMs: JournalTime): Entry {
  return {
    ...entry,
    settlement: retryInMs === null ? 'dead' : 'due',
    settlementAttempts: entry.settlementAttempts + 1,
    dueAtMs: retryInMs === null ? null : nowMs + retryInMs,
    updatedAtMs: nowMs,
  }
}

/** The entry whose dead handler is to be run again: due at once, its runs counted anew. */
export function retrySettlement(entry: Entry, nowMs: JournalTime): Entry {
  return { ...entry, settlement: 'due', settlementAttempts: 0, dueAtMs: nowMs, updatedAtMs: nowMs }
}
