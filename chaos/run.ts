import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultRule } from 'counterfoil/testing'
import { type Findings, findViolations, gatherFacts } from './checks.js'
import { Dice } from './dice.js'
import { type Load, takeOrders } from './load.js'
import { Progress } from './progress.js'
import { type Scheduled, strikeAtShares, strikeByTheClock } from './schedule.js'
import { openWorld, type World } from './world.js'

export interface ChaosPlan {
  /** For how long orders are taken. */
  readonly minutes: number
  /** How many orders at most; what settles them (tips) comes on top. */
  readonly orders: number
  readonly customers: number
  readonly seed: number
  readonly workers: number
  readonly lease: 'postgres' | 'redis'
  readonly schedule: readonly Scheduled[]
  /** What goes wrong with single requests at the gateway, as long as faults strike. */
  readonly requestFaults: readonly FaultRule[]
  /** How many orders wait at most. */
  readonly backlog: number
  readonly signal: AbortSignal
}

export interface ChaosResult extends Findings {
  readonly minutes: number
  readonly seed: number
  /** How often each fault struck; those of single requests by their kind at the gateway. */
  readonly faults: Readonly<Record<string, number>>
  /** From an effect's first call to its consequences in the shop's tables, over the effects that a fault interrupted. */
  readonly recoveryMs: { readonly p50: number; readonly p99: number }
  readonly interrupted: number
  readonly workerErrors: Readonly<Record<string, number>>
  /** The faults that were asked for and cannot be had here, with the reason. */
  readonly notInjected: Readonly<Record<string, string>>
}

/** After faults have ended, everything must have come to rest within this time. */
const CALM_MS = 90_000

/** Runs chaos, lets it come to rest, and compares what is true with what was promised. */
export async function runChaos(plan: ChaosPlan, tell: (line: string) => void): Promise<ChaosResult> {
  const startedMs = performance.now()
  const needs = new Set(plan.schedule.flatMap(({ fault }) => fault.needs ?? []))
  const world = await openWorld({ ...plan, needs })
  try {
    tell(`${plan.workers} workers, leases in ${world.redis === null ? 'PostgreSQL' : 'Redis'}, seed ${plan.seed}.`)
    const { load, struck } = await strikeWhileOrdering(world, plan, tell)
    tell(`${load.orders.length} orders were taken. Faults have ended; waiting until all is at rest.`)
    await untilAtRest(world, plan.signal)
    const facts = await gatherFacts(world.pool, world.gateway.control, { load, stops: world.stops })
    return {
      minutes: Math.round((performance.now() - startedMs) / 600) / 100,
      seed: plan.seed,
      ...findViolations(facts),
      faults: { ...struck, ...(await requestFaultsStruck(world)) },
      ...recoveryOf(facts),
      workerErrors: Object.fromEntries(world.errors),
      notInjected: notInjected(world, plan.schedule),
    }
  } finally {
    await world.close()
  }
}

async function strikeWhileOrdering(world: World, plan: ChaosPlan, tell: (line: string) => void) {
  const over = new AbortController()
  const enough = new AbortController()
  // Every fault waits for them.
  setMaxListeners(0, over.signal, enough.signal)
  const stop = (): void => {
    enough.abort()
    over.abort()
  }
  plan.signal.addEventListener('abort', stop, { once: true })
  // Not AbortSignal.timeout: Node 20 may collect one that only AbortSignal.any still knows, and then it never aborts.
  const timer = setTimeout(() => enough.abort(), plan.minutes * 60_000)
  try {
    await world.gateway.control.setFaults(plan.requestFaults)
    const struck: Record<string, number> = Object.fromEntries(plan.schedule.map(({ fault }) => [fault.name, 0]))
    const progress = new Progress(world.pool, over.signal)
    const { seed, orders } = plan
    const count = ({ name }: { readonly name: string }): void => {
      struck[name] = (struck[name] ?? 0) + 1
    }
    const how = { world, seed, orders, progress, over: over.signal, count }
    const byTheClock = strikeByTheClock(plan.schedule, how)
    const atShares = strikeAtShares(plan.schedule, how)
    const dice = new Dice(seed, 'orders')
    const load = await takeOrders(world, { ...plan, dice, progress, until: enough.signal })
    tell('All orders are taken.')
    await untilMostlyDone(world, load, enough.signal)
    await Promise.race([atShares, aborted(enough.signal)])
    over.abort()
    await Promise.all([byTheClock, atShares])
    await world.gateway.control.setFaults([])
    plan.signal.throwIfAborted()
    return { load, struck }
  } finally {
    stop()
    clearTimeout(timer)
    plan.signal.removeEventListener('abort', stop)
  }
}

/** Faults strike until few effects are left: at the end they would meet nothing. */
async function untilMostlyDone(world: World, load: Load, enough: AbortSignal): Promise<void> {
  while (!enough.aborted) {
    const open = await openEffects(world)
    if (open !== null && open <= load.orders.length / 20) return
    await sleep(100)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function untilAtRest(world: World, stop: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + CALM_MS
  while (performance.now() < deadlineMs && (await openEffects(world)) !== 0) {
    stop.throwIfAborted()
    await sleep(100)
  }
}

async function openEffects(world: World): Promise<number | null> {
  try {
    const { rows } = await world.pool.query<{ open: number }>(`
      select count(*)::integer as open from counterfoil.entries
      where state not in ('succeeded', 'failed', 'parked') or (settlement = 'due' and state <> 'parked')`)
    return rows[0]?.open ?? null
  } catch {
    return null
  }
}

function notInjected(world: World, schedule: readonly Scheduled[]): Record<string, string> {
  return Object.fromEntries(
    schedule.flatMap(({ fault }) => {
      const why = fault.cannot?.(world) ?? null
      return why === null ? [] : [[fault.name, why]]
    }),
  )
}

async function requestFaultsStruck(world: World): Promise<Record<string, number>> {
  const struck: Record<string, number> = {}
  for (const { fault } of await world.gateway.control.requests()) {
    if (fault !== null) struck[`request: ${fault}`] = (struck[`request: ${fault}`] ?? 0) + 1
  }
  return struck
}

function recoveryOf({ entries, settlements }: Awaited<ReturnType<typeof gatherFacts>>) {
  const settledAtMs = new Map(settlements.map(({ effect, key, atMs }) => [`${effect} ${key}`, atMs]))
  const times = entries
    // Taken more than once: somebody had to take it over, or to try it again.
    .filter((entry) => entry.fence > 1)
    .flatMap(({ effect, key, firstSentAtMs }) => {
      const atMs = settledAtMs.get(`${effect} ${key}`)
      return atMs === undefined || firstSentAtMs === null ? [] : [atMs - firstSentAtMs]
    })
    .sort((one, other) => one - other)
  const at = (share: number): number =>
    Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0)
  return { recoveryMs: { p50: at(0.5), p99: at(0.99) }, interrupted: times.length }
}
