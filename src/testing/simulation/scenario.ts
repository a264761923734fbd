import type { Capabilities } from '../../protocol/index.js'
import { Dice, type Stream } from './dice.js'
import { FAULTS, type FaultKind } from './faults.js'

export type Doubt = Capabilities['doubt']
export const DOUBTS: readonly Doubt[] = ['key', 'find', 'key_and_find', 'park']

/** What the effect and its service promise, and what the service really does: just inside the promise. */
export interface Terms {
  readonly doubt: Doubt
  readonly timeoutMs: number
  readonly graceMs: number
  readonly retryFirstMs: number
  readonly retryLongestMs: number
  readonly maxAttempts: number
  readonly patienceMs: number
  readonly maxFindFailures: number
  readonly settledAttempts: number
  /** Promised: for how long a key is honoured, from its first send, and how much of it is kept back. */
  readonly windowMs: number
  readonly marginMs: number
  /** Real: from when the service first met the key until it has forgotten it. */
  readonly prunesAfterMs: number
  /** Promised: from the end of a call until `find` surely shows what it did. */
  readonly settlesWithinMs: number
  /** Real: the same, without what clocks may be wrong by. */
  readonly settlesMs: number
  /** Real: how long after the end of a call its request may still arrive. */
  readonly lateMs: number
  /** Whether the provider's code goes on regardless of an abort. */
  readonly ignoresAbort: boolean
  /** Whether a look-up knows of declines. */
  readonly remembersDeclines: boolean
  /** Whether all keys are of one customer, and so go one at a time. */
  readonly serialized: boolean
  /** Whether what was done can be undone at the service. */
  readonly undoable: boolean
  /** From which age on entries become compact; null: never. */
  readonly compactAfterMs: number | null
}

/** One process: how its clock runs, and whether it runs the loop. */
export interface WorkerPlan {
  /** Its clock's milliseconds per true millisecond. */
  readonly rate: number
  readonly wallOffsetMs: number
  /** Whether it runs the loop: in every life, in none, or from its second life on. */
  readonly loops: 'always' | 'never' | 'reborn'
  readonly bootsAtMs: number
  readonly pollMs: number
}

/** A request to the application: somebody wants the effect of `key`, now. */
export interface MessagePlan {
  readonly id: number
  readonly atMs: number
  readonly worker: number
  readonly key: string
  /** What is asked for under the key: another variant is another input. */
  readonly variant: number
  readonly waitMs: number
  /**
   * `perform`, or `enqueue` in a transaction of the application's own. `compensate` undoes the effect, and `repair` the
   * duplicate of it that an audit has found. `age` lets what is old become compact, whatever its key.
   */
  readonly how: 'perform' | 'enqueue' | 'compensate' | 'repair' | 'age'
  /** With `enqueue`: so long after it, or so long after the beginning of the history; null: at once. */
  readonly notBefore: { readonly inMs: number } | { readonly atMs: number } | null
  /** With `compensate`: tells several refunds of one operation apart. */
  readonly refundKey: string | null
  /** How often it is delivered again while it is not answered for good. */
  readonly redeliveries: number
  /** After a rejection it asks for the next generation, with another input. */
  readonly persists: boolean
}

/** The database is away for a time, and its clock may be another one afterwards. */
export interface OutagePlan {
  readonly atMs: number
  readonly forMs: number
  readonly clockStepMs: number
}

/** Everything that a history is made of, apart from what follows. */
export interface Scenario {
  readonly seed: number
  readonly terms: Terms
  readonly workers: readonly WorkerPlan[]
  readonly messages: readonly MessagePlan[]
  readonly outages: readonly OutagePlan[]
  /** Keys of which the service has a duplicate that nobody here asked for. */
  readonly duplicates: readonly string[]
  readonly rates: Readonly<Partial<Record<FaultKind, number>>>
  /** Nothing goes wrong from here on. */
  readonly quietAtMs: number
  /** Faults that are left out, by id: how a failure is shrunk. */
  readonly without: ReadonlySet<string>
}

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
  return withWaits(withRetention(withRepairs(withPatience({ ...plain, duplicates: [] }))))
}

/** In half of the histories no number of calls is too many for a while. */
function withPatience(scenario: Scenario): Scenario {
  const patienceMs = new Dice(scenario.seed).stream(5, 0).pick(0, 0, 5_000, scenario.terms.windowMs)
  return { ...scenario, terms: { ...scenario.terms, patienceMs } }
}

/** In some histories what was done is undone again, by customers who change their minds and by audits. */
function withRepairs(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(3, 0)
  if (!draw.chance(0.2)) return scenario
  const keys = [...new Set(scenario.messages.map(({ key }) => key))]
  const duplicates = keys.filter(() => draw.chance(0.6))
  const repairs: MessagePlan[] = []
  for (const key of keys) {
    const hows = [
      ...(draw.chance(0.6) ? (['compensate'] as const) : []),
      ...(duplicates.includes(key) ? (['repair'] as const) : []),
    ]
    for (const how of hows) {
      for (let copy = draw.pick(1, 2, 2, 3); copy > 0; copy--) {
        repairs.push({
          id: scenario.messages.length + repairs.length,
          atMs: draw.pick(
            draw.whole(0, 40),
            draw.whole(0, 3_000),
            Math.floor(draw.spread(1_000, 2 * scenario.terms.windowMs)),
          ),
          worker: draw.whole(0, scenario.workers.length - 1),
          key,
          variant: 0,
          waitMs: Math.floor(draw.spread(200, 10_000)),
          how,
          notBefore: null,
          refundKey: how === 'compensate' ? draw.pick(null, null, 'return-1', 'return-2') : null,
          redeliveries: draw.pick(0, 1, 2),
          persists: false,
        })
      }
    }
  }
  return {
    ...scenario,
    duplicates,
    messages: [...scenario.messages, ...repairs],
    terms: { ...scenario.terms, undoable: true },
  }
}

/** In some histories what is old becomes compact meanwhile, and is asked for again, and undone, before and after that. */
function withRetention(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(4, 0)
  if (!draw.chance(0.25)) return scenario
  const { messages, workers, terms } = scenario
  const keys = [...new Set(messages.map(({ key }) => key))]
  const later = (): number =>
    draw.pick(draw.whole(0, 100), draw.whole(0, 3_000), Math.floor(draw.spread(1_000, 2 * terms.windowMs)))
  const asked = Array.from({ length: draw.whole(2, 6) }, (): MessagePlan['how'] => 'age')
  const again = keys.flatMap((key) =>
    draw.chance(0.7) ? [{ key, how: draw.pick<MessagePlan['how']>('perform', 'perform', 'enqueue') }] : [],
  )
  const more = [...asked.map((how) => ({ key: 'all', how })), ...again].map(
    ({ key, how }, i): MessagePlan => ({
      ...{ id: messages.length + i, atMs: later(), worker: draw.whole(0, workers.length - 1), key, variant: 0 },
      ...{ waitMs: Math.floor(draw.spread(200, 10_000)), how, notBefore: null, refundKey: null },
      ...{ redeliveries: draw.pick(0, 1, 2), persists: false },
    }),
  )
  const compactAfterMs = draw.pick(1, draw.whole(1, 50), draw.whole(1, 2_000))
  return { ...scenario, messages: [...messages, ...more], terms: { ...terms, compactAfterMs } }
}

/** In some histories what is enqueued has its time, by the journal's clock, whatever the clock of its worker shows. */
function withWaits(scenario: Scenario): Scenario {
  const draw = new Dice(scenario.seed).stream(6, 0)
  if (!draw.chance(0.5)) return scenario
  const messages = scenario.messages.map((message): MessagePlan => {
    if (message.how !== 'enqueue') return message
    const inMs = Math.floor(draw.spread(1, 5_000))
    // As often as not long past when it is asked for.
    const atMs = draw.pick(message.atMs + inMs, Math.max(0, message.atMs - inMs))
    return { ...message, notBefore: draw.pick<MessagePlan['notBefore']>({ inMs }, { atMs }, null) }
  })
  return { ...scenario, messages }
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
