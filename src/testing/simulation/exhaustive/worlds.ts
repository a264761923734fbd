import type { FaultKind } from '../faults.js'
import { DOUBTS, type Doubt, type MessagePlan, type Scenario, type Terms, type WorkerPlan } from '../scenario.js'
import type { Budget } from './choices.js'

/** A world small enough to be explored in every direction. */
export interface SmallWorld {
  readonly name: string
  readonly scenario: Scenario
  /** Faults that never strike in it. */
  readonly excluded: readonly FaultKind[]
  readonly budget: Budget
}

const TERMS: Omit<Terms, 'doubt'> = {
  timeoutMs: 1_000,
  graceMs: 500,
  retryFirstMs: 100,
  retryLongestMs: 400,
  maxAttempts: 3,
  patienceMs: 0,
  maxFindFailures: 2,
  settledAttempts: 2,
  windowMs: 4_000,
  marginMs: 600,
  prunesAfterMs: 3_900,
  settlesWithinMs: 1_005,
  settlesMs: 1_000,
  lateMs: 490,
  ignoresAbort: false,
  remembersDeclines: true,
  serialized: false,
  undoable: false,
  compactAfterMs: null,
  concurrency: null,
  rate: null,
}

/** A wake-up only saves time: all of them are lost, so that fewer states differ. */
const NEVER: readonly FaultKind[] = ['notice_lost']

/**
 * Left out where two crashes and two faults come together: to everybody they look like one that is not left out, with
 * another delay (`statement_slow`, `find_hangs`, `request_lost`) or another reason (`turned_away`, `transaction_killed`),
 * or less comes of them (`failed`, `barred`). Every pair of them is explored without crashes.
 */
const NOT_IN_ALL: readonly FaultKind[] = [
  ...NEVER,
  'statement_repeated',
  'statement_slow',
  'answer_slow',
  'transaction_killed',
  'pause',
  'request_lost',
  'request_reset',
  'response_reset',
  'response_slow',
  'turned_away',
  'barred',
  'failed',
  'failed_stored',
  'find_hangs',
  'find_slow',
]

/** Late enough that the worker that ends everything meets nobody else. */
const LATER_MS = 60_000

function worker(loops: WorkerPlan['loops'], bootsAtMs = 0): WorkerPlan {
  return { rate: 1, wallOffsetMs: 0, loops, pollMs: 30_000, bootsAtMs }
}

function message(id: number, asked: Partial<MessagePlan>): MessagePlan {
  const plain = { atMs: 0, worker: 0, key: 'order-1', variant: 0, waitMs: 300, redeliveries: 0, persists: false }
  return { id, how: 'perform', notBefore: null, refundKey: null, messageId: null, ...plain, ...asked }
}

interface Shape {
  readonly name: string
  readonly terms?: Partial<Terms>
  readonly workers: readonly WorkerPlan[]
  readonly messages: readonly MessagePlan[]
  /** How far it is explored: the crossing of everything with everything is beyond any machine. */
  readonly budgets: readonly Budget[]
  readonly doubts: readonly Doubt[]
}

function budget(spent: Partial<Budget> & Pick<Budget, 'inAll'>): Budget {
  return { crashes: 0, faults: 0, delays: 0, times: 'both', ...spent }
}

const SHAPES: readonly Shape[] = [
  {
    name: 'one worker is asked, and the loop of another ends what it leaves',
    workers: [worker('never'), worker('always')],
    messages: [message(0, {})],
    budgets: [
      budget({ crashes: 2, faults: 2, inAll: 4, times: 'most' }),
      budget({ crashes: 2, delays: 1, inAll: 2, times: 'most' }),
      budget({ faults: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2 }),
      budget({ faults: 2, inAll: 2, times: 'most' }),
    ],
    doubts: DOUBTS,
  },
  {
    name: 'two workers are asked for one key at once',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { worker: 1 })],
    budgets: [
      budget({ crashes: 2, delays: 1, inAll: 2, times: 'most' }),
      budget({ crashes: 1, delays: 2, inAll: 1 }),
      budget({ faults: 1, delays: 2, inAll: 1 }),
      budget({ faults: 2, inAll: 2, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2 }),
    ],
    doubts: DOUBTS,
  },
  {
    name: 'two loops find one enqueued key',
    workers: [worker('always'), worker('always')],
    messages: [message(0, { how: 'enqueue' })],
    budgets: [
      budget({ crashes: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ crashes: 2, inAll: 2 }),
      budget({ faults: 2, inAll: 2, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2, times: 'most' }),
    ],
    doubts: DOUBTS,
  },
  {
    name: 'two workers are asked to enqueue one key at once, and again where its transaction is lost',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [
      message(0, { how: 'enqueue', redeliveries: 2 }),
      message(1, { ...{ how: 'enqueue', worker: 1 }, redeliveries: 2 }),
    ],
    budgets: [
      budget({ crashes: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ faults: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ crashes: 2, faults: 2, inAll: 2, times: 'most' }),
    ],
    // Only what comes before the first call is of interest.
    doubts: ['key'],
  },
  {
    name: 'one message comes to two workers at once, and again where its transaction is lost',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [0, 1].map((id) => message(id, { how: 'receive', worker: id, messageId: 'message-1', redeliveries: 1 })),
    budgets: [
      budget({ crashes: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ faults: 1, delays: 1, inAll: 1, times: 'most' }),
      budget({ crashes: 2, faults: 2, inAll: 2, times: 'most' }),
    ],
    doubts: ['key'],
  },
  {
    name: 'two workers are asked for two keys, one of them twice',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { worker: 1, key: 'order-2' }), message(2, { worker: 1, atMs: 2_000 })],
    budgets: [
      budget({ crashes: 1, delays: 2, inAll: 1 }),
      budget({ faults: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ crashes: 2, inAll: 2 }),
      budget({ faults: 2, inAll: 2, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2, times: 'most' }),
    ],
    doubts: DOUBTS,
  },
  {
    name: 'two workers are asked for two keys of one customer',
    terms: { serialized: true },
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { worker: 1, key: 'order-2' })],
    budgets: [
      budget({ crashes: 1, delays: 1, inAll: 1 }),
      budget({ faults: 1, delays: 1, inAll: 1, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2, times: 'most' }),
    ],
    doubts: ['key', 'find'],
  },
  {
    name: 'one key is done, and two workers are asked to undo it at once',
    terms: { undoable: true },
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [
      message(0, {}),
      message(1, { how: 'compensate', atMs: 1_000, refundKey: 'return-1' }),
      message(2, { how: 'compensate', atMs: 1_000, worker: 1, refundKey: 'return-2' }),
    ],
    budgets: [
      budget({ crashes: 1, delays: 2, inAll: 1, times: 'most' }),
      budget({ faults: 1, delays: 1, inAll: 1, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2, times: 'most' }),
    ],
    doubts: ['key', 'find'],
  },
  {
    name: 'what one worker lets become compact, another is asked for',
    terms: { compactAfterMs: 1 },
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { how: 'age', atMs: 2_000 }), message(2, { worker: 1, atMs: 2_000 })],
    budgets: [
      budget({ crashes: 1, delays: 1, inAll: 1 }),
      budget({ faults: 2, inAll: 2, times: 'most' }),
      budget({ crashes: 1, faults: 1, inAll: 2, times: 'most' }),
    ],
    doubts: DOUBTS,
  },
]

function worldOf(doubt: Doubt, { name, terms, workers, messages }: Shape, budget: Budget): SmallWorld {
  const scenario: Scenario = {
    seed: 1,
    terms: { ...TERMS, ...terms, doubt },
    workers,
    messages,
    outages: [],
    duplicates: [],
    rates: {},
    quietAtMs: LATER_MS,
    without: new Set(),
  }
  const excluded = budget.inAll === 4 ? NOT_IN_ALL : NEVER
  return { name: `${doubt}: ${name}; ${inWords(budget)}`, scenario, excluded, budget }
}

function inWords({ crashes, faults, delays, inAll, times }: Budget): string {
  const together = inAll < crashes + faults ? ` (${inAll} in all)` : ''
  const longest = times === 'most' ? ', longest times' : ''
  return `${crashes} crashes, ${faults} faults${together}, ${delays} changes of order${longest}`
}

/** Every shape of a world, with its capabilities and its bounds. */
export const SMALL_WORLDS: readonly SmallWorld[] = SHAPES.flatMap((shape) =>
  shape.budgets.flatMap((budget) => shape.doubts.map((doubt) => worldOf(doubt, shape, budget))),
)
