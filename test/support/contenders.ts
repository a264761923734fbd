import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export type ServicePlan =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'ioredis' | 'node-redis'; readonly url: string; readonly prefix: string; readonly maxTtl: number }
  /** A service that lies: each process has one of its own. */
  | { readonly kind: 'alone' }

export interface ContenderPlan {
  readonly service: ServicePlan
  readonly key: string
  readonly ttlMs: number
  readonly holdMs: number
  /** It sends itself SIGSTOP as soon as it is in. */
  readonly stopsItself?: boolean
}

/** What a contender says of itself, on the monotonic clock that all processes of a machine share. */
export interface Sighting {
  readonly what: 'enter' | 'act' | 'leave' | 'lost'
  readonly fence: number
  readonly atMs: number
  /** Until when it then counted on being the only one. */
  readonly untilMs: number
  /** Whether its signal said so, before it asked for the time that remains. */
  readonly aborted: boolean
}

export interface Contender {
  readonly child: ChildProcess
  readonly sightings: readonly Sighting[]
  /** What it complained about, for the message of a failed test. */
  readonly complaints: readonly string[]
  /** The first sighting, from the `from`-th on, that fits. */
  sees(fits: (sighting: Sighting) => boolean, from?: number): Promise<Sighting>
  /** SIGKILLs it and reads what it had said. */
  kill(): Promise<void>
}

/** Starts `contender.fixture.ts` in a process of its own. */
export function startContender(plan: ContenderPlan): Contender {
  const fixture = fileURLToPath(new URL('../../src/lease/contender.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  const sightings: Sighting[] = []
  const complaints: string[] = []
  let wake: () => void = () => undefined
  child.once('close', () => wake())
  createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line))
  createInterface({ input: child.stdout }).on('line', (line) => {
    sightings.push(JSON.parse(line))
    wake()
  })
  return {
    child,
    sightings,
    complaints,
    sees: async (fits, from = 0) => {
      for (;;) {
        const found = sightings.slice(from).find(fits)
        if (found !== undefined) return found
        if (child.exitCode !== null) throw new Error(`the contender ended: ${complaints.join('; ')}`)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    kill: async () => {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await closed
    },
  }
}

interface Stretch {
  readonly fence: number
  readonly fromMs: number
  toMs: number
}

/**
 * The monitor: knows nothing of leases but what the contenders said, and tells where two of them counted on being the
 * only one at the same moment, or where a later one had no greater fence.
 */
export function violations(sightings: readonly Sighting[]): string[] {
  const stretches = new Map<number, Stretch>()
  const told: string[] = []
  for (const { what, fence, atMs, untilMs } of sightings.toSorted((a, b) => a.atMs - b.atMs)) {
    const stretch = stretches.get(fence)
    if (what === 'enter') {
      if (stretch !== undefined) told.push(`fence ${fence} was given twice`)
      stretches.set(fence, { fence, fromMs: atMs, toMs: untilMs })
    } else if (stretch === undefined) told.push(`${what} under fence ${fence}, which nobody had entered with`)
    else if (what === 'act') {
      if (atMs > stretch.toMs) told.push(`fence ${fence} acted ${atMs - stretch.toMs} ms past its end`)
      stretch.toMs = Math.max(stretch.toMs, untilMs)
    } else if (what === 'leave' || what === 'lost') stretch.toMs = Math.min(stretch.toMs, atMs)
  }
  // In the order in which they began.
  let before: Stretch | undefined
  for (const stretch of stretches.values()) {
    if (before !== undefined && stretch.fromMs < before.toMs) {
      told.push(`fence ${stretch.fence} began ${before.toMs - stretch.fromMs} ms before the end of ${before.fence}`)
    }
    if (before !== undefined && stretch.fence <= before.fence) told.push(`${stretch.fence} came after ${before.fence}`)
    if (before === undefined || stretch.toMs > before.toMs) before = stretch
  }
  return told
}
