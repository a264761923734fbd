import type { Correctness } from './correctness.js'
import type { Row } from './run.js'

/** What `--json` writes. */
export interface Results {
  readonly measuredAt: string
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryGiB: number
    readonly platform: string
    /** What else the machine did: the load average of the last minute before the run and after it. */
    readonly loadBefore: number
    readonly loadAfter: number
  }
  readonly versions: Readonly<Record<string, string>>
  /** PostgreSQL's. */
  readonly settings: Readonly<Record<string, string>>
  readonly run: { readonly rounds: number; readonly seconds: number; readonly seed: number }
  /** What each system is called and promises. */
  readonly systems: readonly {
    readonly system: string
    readonly title: string
    readonly promise: string
    readonly docs: string
    readonly isQueue: boolean
  }[]
  /** Systems that could not be measured, and why. */
  readonly leftOut: readonly { readonly system: string; readonly why: string }[]
  readonly rows: readonly Row[]
  readonly correctness: readonly Correctness[]
}

/** The row of a system at so many callers and such a service. */
export function rowOf(results: Pick<Results, 'rows'>, system: string, callers: number, gatewayMs: number): Row | null {
  const matches = (row: Row): boolean => row.system === system && row.callers === callers && row.gatewayMs === gatewayMs
  return results.rows.find(matches) ?? null
}

/** What a system takes longer than the bare call, in ms; null where one of them was not measured or is a queue. */
export function addedMs(results: Results, row: Row, of: 'p50Ms' | 'p99Ms'): number | null {
  const bare = rowOf(results, 'bare', row.callers, row.gatewayMs)
  const isQueue = results.systems.find(({ system }) => system === row.system)?.isQueue === true
  const [whole, call] = [row[of], bare?.[of] ?? null]
  return isQueue || row.system === 'bare' || whole === null || call === null ? null : whole - call
}
