import type { AuditedEffect } from '../engine/audited.js'
import { AuditUnderWay, ConfigurationError, type Duration, LeaseUnavailable, toMs } from '../protocol/index.js'
import { assertNothingIsPurged, auditsOf, reconcile } from './auditor.js'
import type { ReconcileOptions } from './options.js'
import type { AuditReport } from './report.js'

/** How an effect is to be audited again and again. */
export interface ScheduleOptions extends Omit<ReconcileOptions, 'from' | 'to' | 'signal'> {
  /** For example `every 15m`; at least a second. */
  readonly schedule: `every ${Duration}`
  /** Told of each audit that this process carried out, or had carried out by another that holds the audit lease. */
  readonly onReport?: (report: AuditReport) => void
  /** Told of an audit that did not come to its end. The next is tried at its own time. */
  readonly onError?: (error: unknown) => void
}

/** An audit on a schedule. */
export interface AuditSchedule {
  /** Ends it, and resolves when no audit of it is under way in this process. */
  stop(): Promise<void>
}

/**
 * Audits an effect on a schedule. Start it in any number of processes: each audit is carried out in the one that holds
 * the audit lease, and the others only look whether it was. Audits are due at whole multiples of the interval, so that all
 * processes mean the same ones; how late one began is in its report.
 *
 * @throws {ConfigurationError} when the schedule or an option makes no sense.
 */
export function scheduleAudits<Tx>(audited: AuditedEffect<Tx>, options: ScheduleOptions): AuditSchedule {
  const everyMs = intervalOf(options.schedule)
  const sinceMs = toMs(options.since ?? '24h', 'since')
  if (sinceMs <= everyMs) {
    const problem = `looks back ${sinceMs} ms every ${everyMs} ms`
    throw new ConfigurationError(
      `The audit ${problem}: the windows must overlap, so that what was moving is looked at again.`,
    )
  }
  auditsOf(audited)
  assertNothingIsPurged({ fromMs: null, toMs: null, sinceMs }, audited)
  const stopping = new AbortController()
  const running = run(audited, options, everyMs, stopping.signal)
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

async function run<Tx>(
  audited: AuditedEffect<Tx>,
  options: ScheduleOptions,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { clock, hooks } = audited.context
  const { schedule: _schedule, onReport, onError, ...rest } = options
  for (;;) {
    const nowMs = clock.wallMs()
    const dueAtMs = Math.floor(nowMs / everyMs) * everyMs
    try {
      if (!(await isDone(audited, dueAtMs))) onReport?.(await reconcile(audited, { ...rest, signal }, dueAtMs))
    } catch (error) {
      // Another audit has the effect: this one's turn is the next.
      const busy = error instanceof AuditUnderWay || (error instanceof LeaseUnavailable && error.reason === 'held')
      if (!signal.aborted && !busy) (onError ?? hooks.onError)?.(error)
    }
    const leftMs = dueAtMs + everyMs - clock.wallMs()
    if (leftMs > 0) await clock.sleep(leftMs, signal)
    if (signal.aborted) return
  }
}

/** Whether the audit of that time was carried out, by whomever. */
async function isDone<Tx>(audited: AuditedEffect<Tx>, dueAtMs: number): Promise<boolean> {
  const [latest] = await auditsOf(audited).runs([audited.name], null, 1)
  return latest !== undefined && latest.endedAtMs !== null && latest.dueAtMs !== null && latest.dueAtMs >= dueAtMs
}

function intervalOf(schedule: string): number {
  const [every, interval, ...rest] = schedule.split(' ')
  if (every !== 'every' || interval === undefined || rest.length > 0) {
    throw new ConfigurationError(`The schedule is ${JSON.stringify(schedule)}: give, for example, "every 15m".`)
  }
  const everyMs = toMs(interval as Duration, 'schedule')
  if (everyMs >= 1_000) return everyMs
  throw new ConfigurationError(
    `The schedule is every ${everyMs} ms: an audit asks for whole lists; give a second at least.`,
  )
}
