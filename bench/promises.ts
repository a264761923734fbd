import { type Results, rowOf } from './results.js'

/** A ratio of two figures of one run, and the bound that it must keep. */
export interface Promised {
  readonly what: string
  readonly ratio: number
  readonly bound: { readonly atLeast: number } | { readonly atMost: number }
}

/** How much a bound gives way on a machine that is busy with other things: only a real loss breaks it. */
const GENEROUS = 0.5

/** What must be true of a run. `isQuick` has short rounds, so its bounds are generous. */
export function promisesOf(results: Results, isQuick: boolean): Promised[] {
  const slack = isQuick ? GENEROUS : 1
  const most = Math.max(...results.rows.map(({ callers }) => callers))
  const speed = (system: string, callers: number): number =>
    rowOf(results, system, callers, 0)?.effectsPerSecond ?? Number.NaN
  const row = (callers: number) => rowOf(results, 'counterfoil', callers, 0)
  const faster = (system: string, than: string, by: number, callers: number): Promised => ({
    what: `${system} against ${than}, effects a second at ${callers} callers`,
    ratio: speed(system, callers) / speed(than, callers),
    bound: { atLeast: by * slack },
  })
  const latency = (row(1)?.p50Ms ?? Number.NaN) / (rowOf(results, 'two-commits', 1, 0)?.p50Ms ?? Number.NaN)
  return [
    faster('counterfoil', 'batched', 0.85, most),
    faster('counterfoil', 'two-commits', 1, most),
    faster('counterfoil-enqueue', 'pg-boss', 1, most),
    faster('counterfoil-enqueue', 'graphile-worker', 1, most),
    { what: 'latency at one caller against two commits by hand', ratio: latency, bound: { atMost: 1.2 / slack } },
    {
      what: 'commits per effect at one caller',
      ratio: row(1)?.commitsPerEffect ?? Number.NaN,
      bound: { atMost: 2.05 },
    },
    {
      what: `commits per effect at ${most} callers`,
      ratio: row(most)?.commitsPerEffect ?? Number.NaN,
      bound: { atMost: isQuick ? 0.3 : 0.1 },
    },
    ...results.correctness
      .filter(({ system }) => system.startsWith('counterfoil'))
      .flatMap(({ system, callsFor1000Keys, chargedTwiceAfterKill }): Promised[] => [
        {
          what: `${system}: calls for 1,000 keys asked for ten times`,
          ratio: callsFor1000Keys,
          bound: { atMost: 1000 },
        },
        { what: `${system}: charged twice after a kill`, ratio: chargedTwiceAfterKill, bound: { atMost: 0 } },
      ]),
  ].filter(({ ratio }) => !Number.isNaN(ratio))
}

export function isKept({ ratio, bound }: Promised): boolean {
  return 'atLeast' in bound ? ratio >= bound.atLeast : ratio <= bound.atMost
}

export function describePromise(promised: Promised): string {
  const { what, ratio, bound } = promised
  const asked = 'atLeast' in bound ? `at least ${bound.atLeast}` : `at most ${bound.atMost}`
  return `${isKept(promised) ? 'kept  ' : 'BROKEN'} ${what}: ${Number(ratio.toFixed(3))} (${asked})`
}
