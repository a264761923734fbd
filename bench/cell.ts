import { ClientProcess } from './client-process.js'
import type { Ground } from './ground.js'
import { type Cell, perEffect, type Sample, type Times } from './sample.js'
import { outstanding } from './system.js'

/** One caller alone would not have the code compiled in that time, which a process that has run for a minute has. */
const WARMING_CALLERS = 32

/** Measures a cell once, in a client, on fresh ground: a new database, an emptied Redis, a new client. */
export async function measureClient(
  ground: Ground,
  { system, callers, gatewayMs }: Cell,
  times: Times,
): Promise<Sample> {
  const place = await ground.fresh(system, gatewayMs)
  const client = await ClientProcess.open({ ...place, callers, lostAfterMs: null }, ground.clientArguments)
  try {
    // Before the warming: the first change of a page after a checkpoint writes the page whole, which one in some minutes does.
    await ground.postgres.admin.query('CHECKPOINT')
    const many = outstanding(system, callers)
    if (!system.isQueue && many < WARMING_CALLERS) await client.warm(WARMING_CALLERS, times.warmMs)
    await client.warm(many, times.warmMs)
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
