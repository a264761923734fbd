import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Findings, findViolations, gatherFacts } from './checks.js'
import { Dice } from './dice.js'
import type { Fault } from './fault.js'
import { REQUEST_FAULTS } from './faults/gateway.js'
import { type Load, takeOrders } from './load.js'
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
  readonly faults: readonly Fault[]
  /** Whether single requests go wrong at the gateway. */
  readonly requestFaults: boolean
  /** How many times more often faults strike than their own pace. */
  readonly pace: number
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
}

/** After faults have ended, everything must have come to rest within this time. */
const CALM_MS = 90_000

/** Runs chaos, lets it come to rest, and compares what is true with what was promised. */
export async function runChaos(plan: ChaosPlan, tell: (line: string) => void): Promise<ChaosResult> {
  const startedMs = performance.now()
  const world = await openWorld(plan)
  try {
    tell(`${plan.workers} workers, leases in ${world.redis === null ? 'PostgreSQL' : 'Redis'}, seed ${plan.seed}.`)
    const { load, struck } = await strikeWhileOrdering(world, plan, tell)
    tell(`${load.orders.length} orders were taken. Faults have ended; waiting until all is at rest.`)
    await untilAtRest(world, plan.signal)
    const ledger = await world.gateway.control.ledger()
    const facts = await gatherFacts(world.pool, ledger, load)
    return {
      minutes: Math.round((performance.now() - startedMs) / 600) / 100,
      seed: plan.seed,
      ...findViolations(facts),
      faults: { ...struck, ...(await requestFaultsStruck(world)) },
      ...recoveryOf(facts),
      workerErrors: Object.fromEntries(world.errors),
    }
  } finally {
    await world.close()
  }
}

async function strikeWhileOrdering(world: World, plan: ChaosPlan, tell: (line: string) => void) {
  const over = new AbortController()
  // Every fault waits for it.
  setMaxListeners(0, over.signal)
  plan.signal.addEventListener('abort', () => over.abort(), { once: true })
  if (plan.requestFaults) await world.gateway.control.setFaults(REQUEST_FAULTS)
  const struck: Record<string, number> = {}
  const striking = plan.faults
    .filter((fault) => fault.fits?.(world) ?? true)
    .map((fault) =>
      strikeAgainAndAgain(world, fault, plan, over.signal, () => {
        struck[fault.name] = (struck[fault.name] ?? 0) + 1
      }),
    )
  const enough = new AbortController()
  // Not AbortSignal.timeout: Node 20 may collect one that only AbortSignal.any still knows, and then it never aborts.
  const timer = setTimeout(() => enough.abort(), plan.minutes * 60_000)
  plan.signal.addEventListener('abort', () => enough.abort(), { once: true })
  const load: Load = await takeOrders(world, {
    customers: plan.customers,
    orders: plan.orders,
    dice: new Dice(plan.seed, 'orders'),
    until: enough.signal,
  })
  tell('All orders are taken.')
  await untilMostlyDone(world, load, enough.signal)
  clearTimeout(timer)
  over.abort()
  await Promise.all(striking)
  await world.gateway.control.setFaults([])
  plan.signal.throwIfAborted()
  return { load, struck }
}

async function strikeAgainAndAgain(
  world: World,
  fault: Fault,
  { seed, pace }: ChaosPlan,
  until: AbortSignal,
  count: () => void,
): Promise<void> {
  const dice = new Dice(seed, fault.name)
  while (!until.aborted) {
    const delayMs = (fault.everyMs / pace) * (0.5 + dice.next())
    await sleep(delayMs, undefined, { signal: until }).catch(() => undefined)
    if (until.aborted) return
    // A fault may fail by another one: no connection can be terminated while the database restarts.
    await fault.strike(world, dice).then(count, () => undefined)
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
