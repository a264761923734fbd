import type { BenchOptions } from './arguments.js'
import { measureClient } from './cell.js'
import type { Ground } from './ground.js'
import { measurePgbench } from './pgbench.js'
import { type Cell, QUICK_WARM_MS, type Sample, type Times, WARM_MS } from './sample.js'
import { median, spread } from './statistics.js'
import type { System } from './system.js'

/** The median of a cell's rounds. */
export interface Row extends Sample {
  readonly system: string
  readonly callers: number
  readonly gatewayMs: number
  /** Half the distance from the slowest to the fastest round, as a part of the median. */
  readonly spread: number
}

/** Measures every cell in every round. Rounds are interleaved, so that what else the machine does strikes all alike. */
export async function runCells(
  ground: Ground,
  systems: readonly System[],
  options: BenchOptions,
  note: (cell: Cell, sample: Sample, round: number) => void,
): Promise<Row[]> {
  const measured = systems.filter(({ onlyDuplicates }) => onlyDuplicates !== true)
  const cells = options.gatewayMs
    .flatMap((gatewayMs) =>
      options.callers.flatMap((callers) => measured.map((system) => ({ system, callers, gatewayMs }))),
    )
    .filter(({ system, gatewayMs }) => system.pgbench === undefined || gatewayMs === options.gatewayMs[0])
  const samples = new Map<Cell, Sample[]>(cells.map((cell) => [cell, []]))
  const times = { warmMs: options.isQuick ? QUICK_WARM_MS : WARM_MS, measureMs: options.seconds * 1000 }
  for (let round = 1; round <= options.rounds; round++) {
    for (const cell of shuffled(cells, options.seed + round)) {
      const sample = await measure(ground, cell, times)
      samples.get(cell)?.push(sample)
      note(cell, sample, round)
    }
  }
  return cells.map((cell) => rowOf(cell, samples.get(cell) ?? []))
}

function measure(ground: Ground, cell: Cell, times: Times): Promise<Sample> {
  const form = cell.system.pgbench
  return form === undefined ? measureClient(ground, cell, times) : measurePgbench(ground, cell, form, times)
}

function rowOf({ system, callers, gatewayMs }: Cell, samples: readonly Sample[]): Row {
  const of = (pick: (sample: Sample) => number | null): number | null => {
    const known = samples.map(pick).filter((value) => value !== null)
    return known.length === 0 ? null : median(known)
  }
  return {
    system: system.name,
    callers,
    gatewayMs,
    effectsPerSecond: of((each) => each.effectsPerSecond) ?? 0,
    spread: spread(samples.map((each) => each.effectsPerSecond)),
    p50Ms: of((each) => each.p50Ms),
    p99Ms: of((each) => each.p99Ms),
    statementsPerEffect: of((each) => each.statementsPerEffect),
    commitsPerEffect: of((each) => each.commitsPerEffect) ?? 0,
    walBytesPerEffect: of((each) => each.walBytesPerEffect) ?? 0,
    clientCpuMicros: of((each) => each.clientCpuMicros),
    databaseCpuMicros: of((each) => each.databaseCpuMicros),
    rssMiB: of((each) => each.rssMiB),
  }
}

/** Another order in each round, the same for the same seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const order = [...items]
  let state = seed >>> 0
  for (let i = order.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = Math.floor((state / 2 ** 32) * (i + 1))
    const a = order[i] as T
    order[i] = order[j] as T
    order[j] = a
  }
  return order
}
