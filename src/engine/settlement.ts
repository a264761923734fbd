import { type Entry, SettledTimeout } from '../protocol/index.js'
import { backoffMs } from './backoff.js'
import { type Context, identityOf, tell } from './context.js'
import type { RuntimeEffect, SettledOutcome } from './effect.js'
import { orNullAfter } from './patience.js'
import { readInput } from './prepare.js'

const SETTLEMENT_RETRY = { retryFirstMs: 1_000, retryLongestMs: 3_600_000 }

/**
 * Whether the entry's `settled` handler is to be run, and this process has one. Without, it stays due for a process that
 * has: the one that began the effect knew a handler, as in a deployment that brings or takes one away.
 */
export function isSettlementDue<Tx>({ effects }: Context<Tx>, entry: Entry): boolean {
  const isOwed = entry.settlement === 'due' && (wasExecuted(entry) || entry.state === 'failed')
  return isOwed && effects.get(entry.effect)?.settled !== undefined
}

/**
 * Runs the entry's `settled` handler in a transaction that also marks it done: exactly once in the user's database,
 * however often this is called. A handler that throws is put off or, after enough tries, laid aside as dead; the
 * outcome stands either way (P8).
 *
 * @returns false when there was nothing to run: another process has it in hand, or it is done.
 */
export async function runSettlement<Tx>(context: Context<Tx>, id: string): Promise<boolean> {
  const { journal, hooks, randomness } = context
  let current: { readonly entry: Entry; readonly effect: RuntimeEffect<Tx> } | undefined
  try {
    const { ran } = await journal.settle(
      id,
      async (tx, entry) => {
        const { effect, settled } = handlerOf(context, entry)
        current = { entry, effect }
        const run = async (): Promise<void> => settled(tx, await readInput(effect, entry.input), settledOutcome(entry))
        await endsInTime(context, entry, run())
      },
      context.settledTimeoutMs,
    )
    return ran
  } catch (error) {
    // Not the handler but the journal failed before it ran: it stays due as it is.
    if (current === undefined) throw error
    const { entry, effect } = current
    const tries = entry.settlementAttempts + 1
    const dead = tries >= effect.settledAttempts
    tell(() => hooks.onSettledFailed?.(identityOf(entry), error, dead), hooks.onError)
    await journal.settlementFailed(id, dead ? null : backoffMs(randomness, tries, SETTLEMENT_RETRY))
    return true
  }
}

/** What goes on after it works with a transaction that has ended: nothing of it is written. */
async function endsInTime<Tx>(
  { clock, settledTimeoutMs: delayMs }: Context<Tx>,
  entry: Entry,
  running: Promise<void>,
): Promise<void> {
  const ended = await orNullAfter(
    running.then(() => true),
    { clock, delayMs },
  )
  if (ended === null) throw new SettledTimeout(identityOf(entry), delayMs)
}

function handlerOf<Tx>({ effects }: Context<Tx>, { effect: name }: Entry) {
  const effect = effects.get(name)
  if (effect?.settled !== undefined) return { effect, settled: effect.settled }
  throw new Error(`The effect ${name} has no \`settled\` handler here, so it stays due for a process that has one.`)
}

// Whatever has been undone of it since: the handler is owed the outcome (P8).
function wasExecuted({ state }: Entry): boolean {
  return state === 'succeeded' || state === 'compensating' || state === 'compensated'
}

/** The outcome as the handler is told it. */
export function settledOutcome(entry: Entry): SettledOutcome<unknown> {
  const mark = entry.forcedBy === null ? {} : { forcedBy: entry.forcedBy }
  return wasExecuted(entry)
    ? { kind: 'succeeded', receipt: entry.receipt, externalId: entry.externalId, ...mark }
    : { kind: 'failed', code: entry.reason?.code ?? 'unknown', message: entry.reason?.message ?? '', ...mark }
}
