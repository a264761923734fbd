import type { DatabaseReading } from './meter.js'
import type { System } from './system.js'

/** One system at so many callers, with a service that answers after so long. */
export interface Cell {
  readonly system: System
  readonly callers: number
  readonly gatewayMs: number
}

/**
 * Until V8 has compiled what runs: before, a process spends as much on that as on the effects, and the more code a system
 * has, the more. A process that serves customers has long passed that.
 */
export const WARM_MS = 3_000
export const QUICK_WARM_MS = 1_000

export interface Times {
  readonly warmMs: number
  readonly measureMs: number
}

/** What one measuring of a cell gave. */
export interface Sample {
  readonly effectsPerSecond: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly statementsPerEffect: number | null
  readonly commitsPerEffect: number
  readonly walBytesPerEffect: number
  readonly clientCpuMicros: number | null
  readonly databaseCpuMicros: number | null
  readonly rssMiB: number | null
}

type PerEffect = Pick<Sample, 'statementsPerEffect' | 'commitsPerEffect' | 'walBytesPerEffect' | 'databaseCpuMicros'>

export function perEffect(before: DatabaseReading, after: DatabaseReading, effects: number): PerEffect {
  const difference = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : (to - from) / effects
  const cpuMs = difference(before.cpuMs, after.cpuMs)
  return {
    statementsPerEffect: difference(before.statements, after.statements),
    commitsPerEffect: (after.commits - before.commits) / effects,
    walBytesPerEffect: (after.walBytes - before.walBytes) / effects,
    databaseCpuMicros: cpuMs === null ? null : cpuMs * 1000,
  }
}
