import { type Cell, FaultMissed, nameOf, type Observation, runCell } from './cell.js'
import { Lane } from './lane.js'
import { isRedisReachable, NO_REDIS } from './redis.js'
import { notRun, type Result, resultOf } from './result.js'
import { Servers } from './servers.js'
import { killAllWorkers } from './worker-process.js'

/** What the lab is to run. */
export interface LabPlan {
  /** In the order of the table. */
  readonly cells: readonly Cell[]
  readonly redisUrl: string
  /** How many cells run side by side. */
  readonly lanes: number
  /** Ends it before its time, with everything that it has started. */
  readonly signal: AbortSignal
}

/** Hears of every cell that has ended. */
export type OnResult = (result: Result, done: number, all: number) => void

/** Lanes with a database server of their own. */
const RESTARTING_LANES = 2

/** No cell takes so long, unless something in the lab itself is stuck. */
const CELL_LIMIT_MS = 300_000

/** How often a cell is run that its fault missed. */
const TRIES = 5

/**
 * Runs all cells and returns their results in the order of the plan.
 *
 * Cells in which nothing goes wrong run first and alone, so that their speeds can be compared; the others side by side,
 * where nothing of theirs is shared but the machine.
 *
 * @throws {Error} when a cell could not be carried out: that is a fault of the lab, not a result.
 */
export async function runLab(plan: LabPlan, onResult: OnResult): Promise<Result[]> {
  const redis = plan.cells.some(needsRedis) && (await isRedisReachable(plan.redisUrl))
  const results = new Map<Cell, Result>()
  const note = (cell: Cell, result: Result): void => {
    results.set(cell, result)
    onResult(result, results.size, plan.cells.length)
  }
  const runnable = plan.cells.filter((cell) => redis || !needsRedis(cell))
  for (const cell of plan.cells) if (!runnable.includes(cell)) note(cell, notRun(cell, NO_REDIS))

  const servers = new Servers()
  const lanes = Array.from({ length: Math.max(1, plan.lanes) }, (_, place) => {
    return new Lane(servers, { mayRestart: place < RESTARTING_LANES })
  })
  const drain = async (queue: Cell[], lane: Lane): Promise<void> => {
    for (let cell = take(queue, lane); cell !== undefined; cell = take(queue, lane)) {
      note(cell, resultOf(cell, await runWithin(cell, lane, plan.redisUrl)))
    }
  }
  const runAll = async (): Promise<void> => {
    const alone = runnable.filter((cell) => cell.fault.name === 'none')
    await Promise.all(lanes.slice(-1).map((lane) => drain(alone, lane)))
    const together = runnable.filter((cell) => cell.fault.name !== 'none')
    await Promise.all(lanes.map((lane) => drain(together, lane)))
  }
  try {
    await Promise.race([runAll(), abortOf(plan.signal)])
  } catch (error) {
    killAllWorkers()
    throw error
  } finally {
    await Promise.all(lanes.map((lane) => lane.end()))
    await servers.end()
  }
  return plan.cells.flatMap((cell) => results.get(cell) ?? [])
}

/** The next cell for that lane: those that only it can run come first. */
function take(queue: Cell[], lane: Lane): Cell | undefined {
  const restarting = queue.findIndex((cell) => cell.fault.restartsDatabase === true)
  const other = queue.findIndex((cell) => cell.fault.restartsDatabase !== true)
  const place = lane.mayRestart && restarting >= 0 ? restarting : other
  return place < 0 ? undefined : queue.splice(place, 1)[0]
}

function needsRedis(cell: Cell): boolean {
  return cell.strategy.needsRedis === true
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

async function runUntilStruck(cell: Cell, lane: Lane, redisUrl: string): Promise<Observation> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await runCell(cell, lane, redisUrl)
    } catch (error) {
      if (!(error instanceof FaultMissed) || tries === TRIES) throw error
      await lane.renew()
    }
  }
}

async function runWithin(cell: Cell, lane: Lane, redisUrl: string): Promise<Observation> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`It did not end within ${CELL_LIMIT_MS / 1_000} s.`)), CELL_LIMIT_MS)
  })
  try {
    return await Promise.race([runUntilStruck(cell, lane, redisUrl), limit])
  } catch (cause) {
    throw new Error(`The lab could not carry out ${nameOf(cell)}: ${String(cause)}`, { cause })
  } finally {
    clearTimeout(timer)
  }
}
