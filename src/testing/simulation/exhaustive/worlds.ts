import type { FaultKind } from '../faults.js'
import { DOUBTS, type Doubt, type MessagePlan, type Scenario, type Terms, type WorkerPlan } from '../scenario.js'
import type { Budget } from './choices.js'

/** A world small enough to be explored in every direction. */
export interface SmallWorld {
  readonly name: string
  readonly scenario: Scenario
  readonly kinds: ReadonlySet<FaultKind>
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
}

const FAULTS: readonly FaultKind[] = [
  'statement_lost',
  'answer_lost',
  'statement_late',
  'transaction_killed',
  'crash',
  'pause',
  'handler_throws',
  'refused',
  'request_lost',
  'request_late',
  'response_lost',
  'response_reset',
  'turned_away',
  'declined',
  'failed',
  'failed_stored',
  'failed_stored_done',
  'commit_late',
  'shows_late',
  'find_fails',
]

/** Late enough that the worker that ends everything meets nobody else. */
const LATER_MS = 60_000

function worker(loops: WorkerPlan['loops'], bootsAtMs = 0): WorkerPlan {
  return { rate: 1, wallOffsetMs: 0, loops, pollMs: 30_000, bootsAtMs }
}

function message(id: number, asked: Partial<MessagePlan>): MessagePlan {
  const plain = { atMs: 0, worker: 0, key: 'order-1', variant: 0, waitMs: 300, redeliveries: 0, persists: false }
  return { id, how: 'perform', refundKey: null, ...plain, ...asked }
}

interface Shape {
  readonly name: string
  readonly workers: readonly WorkerPlan[]
  readonly messages: readonly MessagePlan[]
  readonly terms?: Partial<Terms>
}

const SHAPES: readonly Shape[] = [
  {
    name: 'two workers are asked for one key at once',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { worker: 1 })],
  },
  {
    name: 'two loops find one enqueued key',
    workers: [worker('always'), worker('always')],
    messages: [message(0, { how: 'enqueue' })],
  },
  {
    name: 'two workers are asked for two keys, one of them twice',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { worker: 1, key: 'order-2' }), message(2, { worker: 1, atMs: 2_000 })],
  },
  {
    name: 'what one worker lets become compact, another is asked for',
    workers: [worker('reborn'), worker('reborn'), worker('always', LATER_MS)],
    messages: [message(0, {}), message(1, { how: 'age', atMs: 2_000 }), message(2, { worker: 1, atMs: 2_000 })],
    terms: { compactAfterMs: 1 },
  },
]

/** How far each world is explored: the crossing of everything with everything is beyond any machine. */
export const BUDGETS = {
  crashes: { crashes: 2, faults: 0, delays: 0, inAll: 2 },
  faults: { crashes: 0, faults: 2, delays: 0, inAll: 2 },
  both: { crashes: 1, faults: 1, delays: 0, inAll: 2 },
  order: { crashes: 1, faults: 0, delays: 1, inAll: 1 },
} as const satisfies Record<string, Budget>

function worldOf(doubt: Doubt, shape: Shape, budget: keyof typeof BUDGETS): SmallWorld {
  const { crashes, faults, delays } = BUDGETS[budget]
  const scenario: Scenario = {
    seed: 1,
    terms: { ...TERMS, doubt, ...shape.terms },
    workers: shape.workers,
    messages: shape.messages,
    outages: [],
    duplicates: [],
    rates: {},
    quietAtMs: LATER_MS,
    without: new Set(),
  }
  const bounds = `${crashes} crashes, ${faults} faults, ${delays} changes of order`
  return { name: `${doubt}: ${shape.name}; ${bounds}`, scenario, kinds: new Set(FAULTS), budget: BUDGETS[budget] }
}

/** Every capability, every shape, every budget. */
export const SMALL_WORLDS: readonly SmallWorld[] = DOUBTS.flatMap((doubt) =>
  SHAPES.flatMap((shape) =>
    (Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]).map((budget) => worldOf(doubt, shape, budget)),
  ),
)
