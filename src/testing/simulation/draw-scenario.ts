import { Dice, type Stream } from './dice.js'
import { FAULTS, type FaultKind } from './faults.js'
import type { Doubt, MessagePlan, OutagePlan, Scenario, Terms, WorkerPlan } from './scenario.js'
import { withInbox, withLimits, withPatience, withRepairs, withRetention, withWaits } from './variations.js'

/** The worst that a worker's clock may be off: half a percent, far more than a disciplined clock. */
const MAX_DRIFT = 0.005
/** The worst step of the journal's clock, at a failover. */
const MAX_STEP_MS = 8

/** Derives a whole scenario from its seed: which service, how many workers and messages, and which faults at what rate. */
export function scenarioOf(seed: number, doubt?: Doubt): Scenario {
  const draw = new Dice(seed).stream(1, 0)
  const terms = termsOf(draw, doubt ?? draw.pick('key', 'find', 'key_and_find', 'park'))
  const workers = Array.from({ length: draw.pick(1, 2, 2, 2, 3) }, (_, i) => workerOf(draw, i))
  const quietAtMs = Math.ceil(draw.spread(3_000, 2 * terms.windowMs))
  const messages = messagesOf(draw, workers.length, terms)
  const outages = draw.chance(0.15) ? [outageOf(draw, quietAtMs)] : []
  const plain = { seed, terms, workers, messages, outages, rates: ratesOf(draw), quietAtMs, without: new Set<string>() }
  const changed = withWaits(withRetention(withRepairs(withPatience({ ...plain, duplicates: [] }))))
  return withInbox(withLimits(changed))
}

function termsOf(draw: Stream, doubt: Doubt): Terms {
  const timeoutMs = draw.pick(1_000, 2_000)
  // What clocks may be wrong by over one call: the promises have to cover it.
  const clockErrorMs = Math.ceil(timeoutMs * MAX_DRIFT * 1.02) + MAX_STEP_MS + 2
  const lateMs = draw.whole(50, 1_500)
  const prunedEarlyMs = draw.whole(0, 500)
  const marginMs = lateMs + prunedEarlyMs + clockErrorMs
  // As often as not a window into which hardly a second call fits.
  const windowMs = timeoutMs + marginMs + Math.ceil(draw.spread(100, 15_000))
  const settlesMs = lateMs + draw.whole(0, 3_000)
  return {
    doubt,
    timeoutMs,
    graceMs: draw.pick(300, 600, 1_500),
    retryFirstMs: draw.pick(50, 200),
    retryLongestMs: draw.pick(400, 2_000),
    maxAttempts: draw.whole(2, 6),
    patienceMs: 0,
    maxFindFailures: draw.whole(1, 5),
    settledAttempts: draw.whole(2, 4),
    windowMs,
    marginMs,
    prunesAfterMs: windowMs - prunedEarlyMs,
    settlesMs,
    settlesWithinMs: settlesMs + clockErrorMs,
    lateMs,
    ignoresAbort: draw.chance(0.2),
    remembersDeclines: draw.chance(0.5),
    serialized: draw.chance(0.1),
    undoable: false,
    compactAfterMs: null,
    concurrency: null,
    rate: null,
  }
}

function workerOf(draw: Stream, i: number): WorkerPlan {
  return {
    rate: draw.chance(0.5) ? 1 : 1 + (draw.next() * 2 - 1) * MAX_DRIFT,
    wallOffsetMs: draw.chance(0.5) ? 0 : draw.whole(-7_200_000, 7_200_000),
    // Somebody has to run the loop, or nobody ends a doubt that no caller waits for.
    loops: i === 0 || draw.chance(0.6) ? 'always' : 'never',
    bootsAtMs: 0,
    pollMs: draw.pick(1_000, 5_000, 20_000),
  }
}

function messagesOf(draw: Stream, workers: number, terms: Terms): readonly MessagePlan[] {
  const keys = terms.serialized ? draw.pick(2, 2, 3) : draw.pick(1, 1, 1, 2, 2, 3)
  const messages: MessagePlan[] = []
  for (let key = 0; key < keys; key++) {
    const copies = draw.pick(1, 1, 2, 2, 3)
    const startMs = draw.chance(0.7) ? draw.whole(0, 30) : draw.whole(0, 3_000)
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = draw.pick(
        0,
        draw.whole(0, 40),
        draw.whole(0, 3_000),
        Math.floor(draw.spread(1_000, 2 * terms.windowMs)),
      )
      messages.push({
        id: messages.length,
        atMs: copy === 0 ? startMs : startMs + delayMs,
        worker: draw.whole(0, workers - 1),
        key: `order-${key + 1}`,
        variant: draw.chance(0.03) ? 1 : 0,
        waitMs: Math.floor(draw.spread(200, 10_000)),
        how: draw.chance(0.2) ? 'enqueue' : 'perform',
        notBefore: null,
        refundKey: null,
        messageId: null,
        redeliveries: draw.pick(0, 1, 2),
        persists: draw.chance(0.3),
      })
    }
  }
  return messages
}

function outageOf(draw: Stream, quietAtMs: number): OutagePlan {
  return {
    atMs: draw.whole(1, quietAtMs),
    forMs: Math.floor(draw.spread(20, 6_000)),
    clockStepMs: draw.chance(0.5) ? 0 : draw.whole(-MAX_STEP_MS, MAX_STEP_MS),
  }
}

/** The share of steps that a common fault strikes. Crashes and pauses are rarer, since each costs a long time. */
const HIGHEST: Readonly<Partial<Record<FaultKind, number>>> = { crash: 0.06, pause: 0.05 }

/**
 * Each history has some kinds of faults and not others, each at a rate of its own: a mixture of everything all the time
 * reaches fewer states ("Swarm Testing", Groce et al., ISSTA 2012).
 */
function ratesOf(draw: Stream): Partial<Record<FaultKind, number>> {
  const rates: Partial<Record<FaultKind, number>> = {}
  const share = draw.pick(0.1, 0.25, 0.4)
  for (const kind of FAULTS) {
    if (draw.chance(share)) rates[kind] = draw.spread(0.02, HIGHEST[kind] ?? 0.5)
  }
  return rates
}
