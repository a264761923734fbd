import type { Result } from '../result.js'

/** The results as JSON: an array with one object per cell. Cells that were not run have no counts. */
export function toJson(results: readonly Result[]): string {
  return `${JSON.stringify(results.map(rowOf), null, 2)}\n`
}

function rowOf({ strategy, gateway, fault, observed, why }: Result) {
  return {
    strategy,
    gateway,
    fault,
    orders: observed?.orders ?? null,
    charges: observed?.charges ?? null,
    chargedTwice: observed?.chargedTwice ?? null,
    paidUnrecorded: observed?.paidUnrecorded ?? null,
    recordedUnpaid: observed?.recordedUnpaid ?? null,
    inDoubt: observed?.inDoubt ?? null,
    parked: observed?.parked ?? null,
    ordersPerSecond: observed?.ordersPerSecond ?? null,
    p50Ms: observed?.p50Ms ?? null,
    p99Ms: observed?.p99Ms ?? null,
    why,
  }
}
