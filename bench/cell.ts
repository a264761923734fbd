import { ClientProcess } from './client-process.js'
import type { Ground } from './ground.js'
import type { DatabaseReading } from './meter.js'
import { outstanding, type System } from './system.js'

/** One system at so many callers, with a service that answers after so long. */
export interface Cell {
  readonly system: System
  readonly callers: number
  readonly gatewayMs: number
}

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

/** Measures a cell once, on fresh ground: a new database, an emptied Redis, a new client. */
export async function measure(ground: Ground, { system, callers, gatewayMs }: Cell, times: Times): Promise<Sample> {
  const place = await ground.fresh(system, gatewayMs)
  const client = await ClientProcess.open({ ...place, callers, lostAfterMs: null }, ground.clientArguments)
  try {
    const many = outstanding(system, callers)
    await client.warm(many, times.warmMs)
    await ground.postgres.admin.query('CHECKPOINT')
    const before = await ground.postgres.meter.read()
    const measured = await client.measure(many, times.measureMs)
    const after = await ground.postgres.meter.read()
    return {
      effectsPerSecond: (measured.inTime / measured.tookMs) * 1000,
      p50Ms: measured.p50Ms,
      p99Ms: measured.p99Ms,
      ...perEffect(before, after, measured.done),
      clientCpuMicros: (measured.cpuMs * 1000) / measured.done,
      rssMiB: measured.rssMiB,
    }
  } finally {
    await client.close()
    await ground.clear()
  }
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
