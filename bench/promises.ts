import { type Results, rowOf } from './results.js'

/** What the promises are about. */
type Measured = Pick<Results, 'rows' | 'correctness'>

/** A ratio of two figures of one run, and the bound that it must keep. */
export interface Promised {
  readonly what: string
  readonly ratio: number
  readonly bound: { readonly atLeast: number } | { readonly atMost: number }
  /** A count of what must never be: no machine is so busy that it may be broken. */
  readonly isExact?: true
}

/** How much a bound gives way on a machine that is busy with other things: only a real loss breaks it. */
const GENEROUS = 0.5

/**
 * Of the duplicates, whose bound is not kept against the form by hand that joins them: about half of what it answers is
 * usual, so only what is far worse than now breaks it.
 */
const QUICK_DUPLICATES = 0.25

/** What runs a step durably, or a job at least once. The forms by hand and the ceilings are none. */
const PEERS = ['pg-boss', 'graphile-worker', 'bullmq-everysec', 'bullmq-always', 'dbos', 'restate', 'powertools']

/** What must be true of a run. `isQuick` has short rounds, so its bounds are generous. */
export function promisesOf(results: Measured, isQuick: boolean): Promised[] {
  const slack = isQuick ? GENEROUS : 1
  const levels = [...new Set(results.rows.map(({ callers }) => callers))]
  const most = Math.max(...levels)
  return [
    ...speedPromises(results, levels, slack),
    ...pricePromises(results, most, slack),
    {
      what: `commits per effect at ${most} callers`,
      ratio: rowOf(results, 'counterfoil', most, 0)?.commitsPerEffect ?? Number.NaN,
      bound: { atMost: isQuick ? 0.3 : 0.1 },
    },
    ...duplicatePromises(results, isQuick ? QUICK_DUPLICATES : 1),
  ].filter(({ ratio }) => !Number.isNaN(ratio))
}

function speedPromises(results: Measured, levels: readonly number[], slack: number): Promised[] {
  const speed = (system: string, callers: number): number =>
    rowOf(results, system, callers, 0)?.effectsPerSecond ?? Number.NaN
  const faster = (system: string, than: string, by: number, callers: number): Promised => ({
    what: `${system} against ${than}, effects a second at ${callers} callers`,
    ratio: speed(system, callers) / speed(than, callers),
    bound: { atLeast: by * slack },
  })
  const fastestPeer = (callers: number): string | undefined =>
    PEERS.filter((peer) => !Number.isNaN(speed(peer, callers))).sort((a, b) => speed(b, callers) - speed(a, callers))[0]
  const most = Math.max(...levels)
  return [
    faster('counterfoil', 'batched', 0.85, most),
    ...levels
      .filter((callers) => callers >= 16)
      .flatMap((callers) => {
        const peer = fastestPeer(callers)
        const byHand = faster('counterfoil', 'two-commits', 1, callers)
        return peer === undefined ? [byHand] : [byHand, faster('counterfoil', peer, 1, callers)]
      }),
    ...levels.flatMap((callers) => [
      faster('counterfoil-enqueue', 'pg-boss', 1, callers),
      faster('counterfoil-enqueue', 'graphile-worker', 1, callers),
    ]),
  ]
}

function pricePromises(results: Measured, most: number, slack: number): Promised[] {
  const alone = rowOf(results, 'counterfoil', 1, 0)
  const byHand = rowOf(results, 'two-commits', 1, 0)
  return [
    {
      what: 'latency at one caller against two commits by hand',
      ratio: (alone?.p50Ms ?? Number.NaN) / (byHand?.p50Ms ?? Number.NaN),
      bound: { atMost: 1.2 / slack },
    },
    {
      what: 'commits per effect at one caller',
      ratio: most === 1 ? Number.NaN : (alone?.commitsPerEffect ?? Number.NaN),
      bound: { atMost: 2.05 },
    },
  ]
}

function duplicatePromises({ correctness }: Measured, atLeast: number): Promised[] {
  const found = (name: string) => correctness.find(({ system }) => system === name)
  // A queue hands its callers no receipt.
  const against = (each: Measured['correctness'][number], byHand: string): number =>
    each.receipts === 0
      ? Number.NaN
      : each.duplicateCallersPerSecond / (found(byHand)?.duplicateCallersPerSecond ?? Number.NaN)
  return correctness
    .filter(({ system }) => system.startsWith('counterfoil'))
    .flatMap((each): Promised[] => [
      {
        what: `${each.system}: calls for 1,000 keys asked for ten times`,
        ratio: each.callsFor1000Keys,
        bound: { atMost: 1000 },
        isExact: true,
      },
      {
        what: `${each.system}: the same, from two processes`,
        ratio: each.inSeveral?.callsFor1000Keys ?? Number.NaN,
        bound: { atMost: 1000 },
        isExact: true,
      },
      ...['batched', 'batched-apart'].map((byHand) => ({
        what: `${each.system} against ${byHand}, duplicate callers answered a second`,
        ratio: against(each, byHand),
        bound: { atLeast },
      })),
      {
        what: `${each.system} against batched, the same from two processes`,
        ratio:
          (each.inSeveral?.duplicateCallersPerSecond ?? Number.NaN) /
          (found('batched')?.inSeveral?.duplicateCallersPerSecond ?? Number.NaN),
        bound: { atLeast },
      },
      {
        what: `${each.system}: charged twice after a kill`,
        ratio: each.chargedTwiceAfterKill,
        bound: { atMost: 0 },
        isExact: true,
      },
    ])
}

export function isKept({ ratio, bound }: Promised): boolean {
  return 'atLeast' in bound ? ratio >= bound.atLeast : ratio <= bound.atMost
}

/** Whether measuring again may show that what is broken here was broken by what else the machine did. */
export function mayBeNoise(promises: readonly Promised[]): boolean {
  return promises.every((each) => isKept(each) || each.isExact !== true)
}

export function describePromise(promised: Promised): string {
  const { what, ratio, bound } = promised
  const asked = 'atLeast' in bound ? `at least ${bound.atLeast}` : `at most ${bound.atMost}`
  return `${isKept(promised) ? 'kept  ' : 'BROKEN'} ${what}: ${Number(ratio.toFixed(3))} (${asked})`
}
