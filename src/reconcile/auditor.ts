import type { AuditedEffect } from '../engine/audited.js'
import { type Lease, withLease } from '../engine/with-lease.js'
import {
  type AuditCounts,
  AuditIncomplete,
  type AuditRun,
  type AuditState,
  type AuditStore,
  AuditUnderWay,
  ConfigurationError,
  fingerprint,
  LeaseUnavailable,
} from '../protocol/index.js'
import { listInto } from './listing.js'
import { match } from './matching.js'
import { type AuditTerms, auditTerms, type ReconcileOptions } from './options.js'
import { repairApproved, repairByPolicy } from './repair.js'
import { AuditReport } from './report.js'

/** The lease of an audit: renewed while it runs; a lost auditor's is taken over after this long. */
const LEASE_MS = 30_000

/** An interrupted audit that began earlier is not gone on with: what it saw is too old to act on. */
const RESUME_WITHIN_MS = 3_600_000

/** How often one that waits for another's audit looks whether it is over. */
const LOOK_MS = 200

const WHAT_STANDS =
  'The audit is incomplete: what it had settled or repaired by then stands, and nothing more was done. Run it again for the rest.'

/** An audit as it is carried out, with the effect that it is about. */
interface AuditOf<Tx> {
  readonly audited: AuditedEffect<Tx>
  readonly store: AuditStore
  readonly terms: AuditTerms
  readonly dueAtMs: number | null
  readonly signal: AbortSignal
}

/**
 * Compares the service's own list with the journal, and repairs what it may. Two audits of one effect at once are one:
 * the second waits for the first, and has its report if it asked for the same.
 *
 * @throws {AuditIncomplete} the list could not be read or believed, and nothing was repaired on the strength of it; or the
 * audit was stopped, and what it had repaired by then stands.
 * @throws {AuditUnderWay} another audit of the effect is under way that was asked for differently.
 * @throws {ConfigurationError} the provider has no `list`, the journal keeps no audits, or an option makes no sense.
 */
export async function reconcile<Tx>(
  audited: AuditedEffect<Tx>,
  options: ReconcileOptions,
  dueAtMs: number | null = null,
): Promise<AuditReport> {
  const of = auditOf(audited, options, dueAtMs)
  const { namespace, clock, randomness, lease } = audited.context
  const key = auditLeaseKey(namespace, audited.effect.name)
  const before = await latestRun(of)
  const known = before === null || before.endedAtMs === null ? null : before.id
  for (;;) {
    try {
      return await withLease(lease, key, { ttl: LEASE_MS, clock, randomness, signal: of.signal }, (held) =>
        audit(of, held, known),
      )
    } catch (error) {
      if (!(error instanceof LeaseUnavailable) || error.reason !== 'held') throw error
      const other = await theOther(of, known)
      if (other !== null) return other
    }
  }
}

/** The lease under which one process at a time audits an effect. */
export function auditLeaseKey(namespace: string, effect: string): string {
  return `audit:${fingerprint([namespace, effect])}`
}

/** The store of a journal that keeps audits. @throws {ConfigurationError} */
export function auditsOf<Tx>(audited: Pick<AuditedEffect<Tx>, 'context'>): AuditStore {
  const { audits } = audited.context.journal
  if (audits !== null) return audits
  throw new ConfigurationError("This journal keeps no audits: the join is a database's work. Use postgresJournal.")
}

function auditOf<Tx>(audited: AuditedEffect<Tx>, options: ReconcileOptions, dueAtMs: number | null): AuditOf<Tx> {
  const { provider, name } = audited.effect
  if (provider.list === undefined) {
    throw new ConfigurationError(
      `${name}: its provider has no \`list\`, so there is nothing to compare the journal with.`,
    )
  }
  const terms = auditTerms(options, provider.settlesWithin)
  assertNothingIsPurged(terms, audited)
  const signal = options.signal ?? new AbortController().signal
  return { audited, store: auditsOf(audited), terms, dueAtMs, signal }
}

/**
 * Of what was purged, an audit knows nothing: it would find the operations of those entries as orphans, and as duplicates,
 * which a policy refunds, where their keys were used again.
 *
 * @throws {ConfigurationError} the audit would begin before `retention.purgeAfter`.
 */
export function assertNothingIsPurged<Tx>(
  { fromMs, toMs, sinceMs }: Pick<AuditTerms, 'fromMs' | 'toMs' | 'sinceMs'>,
  { context }: AuditedEffect<Tx>,
): void {
  const purgeAfterMs = context.retention?.purgeAfterMs ?? null
  const nowMs = context.clock.wallMs()
  const beginsAtMs = fromMs ?? (toMs ?? nowMs) - (sinceMs ?? 0)
  if (purgeAfterMs === null || beginsAtMs >= nowMs - purgeAfterMs) return
  throw new ConfigurationError(
    `The audit would begin at ${new Date(beginsAtMs).toISOString()}, and entries are purged after ${purgeAfterMs} ms: what ` +
      'they stood for would be taken for orphans and duplicates. Begin later, or purge later.',
  )
}

/** Runs while the lease is held. */
async function audit<Tx>(of: AuditOf<Tx>, held: Lease, known: string | null): Promise<AuditReport> {
  // Another's may have begun and ended while this one waited for its lease.
  const latest = await latestRun(of)
  if (latest !== null && isAnswer(of, latest, known)) return reportOf(of.store, latest)
  const { namespace } = of.audited.context
  const run = await of.store.start({
    ...{ namespace, effect: of.audited.effect.name, fence: held.fence, resumeWithinMs: RESUME_WITHIN_MS },
    ...{ fromMs: of.terms.fromMs, toMs: of.terms.toMs, sinceMs: of.terms.sinceMs },
    ...{ request: of.terms.request, dueAtMs: of.dueAtMs },
  })
  try {
    const done = await new Audit(of, held, run).toEnd()
    return new AuditReport(of.store, done)
  } catch (error) {
    await markIncomplete(of.store, run, error)
    throw error
  }
}

class Audit<Tx> {
  readonly #of: AuditOf<Tx>
  readonly #held: Lease
  #run: AuditRun

  constructor(of: AuditOf<Tx>, held: Lease, run: AuditRun) {
    this.#of = of
    this.#held = held
    this.#run = run
  }

  async toEnd(): Promise<AuditRun> {
    if (this.#run.state === 'listing') await this.#list()
    if (this.#run.state === 'matching') await this.#match()
    const note = await this.#repair()
    await this.#advance('complete', this.#run.counts, note)
    // What was listed is of no more use; should this fail, the next audit's start does not depend on it.
    await this.#of.store.clear(this.#run)
    return this.#run
  }

  readonly #check = (): void => {
    this.#held.throwIfLost()
    if (!this.#of.signal.aborted) return
    const ends = this.#mayHaveActed() ? { next: WHAT_STANDS } : {}
    throw new AuditIncomplete('stopped', 'The audit was stopped by its caller.', {
      ...ends,
      cause: this.#of.signal.reason,
    })
  }

  /** Doubts are settled while it is matched, and findings repaired after that, unless it is a dry run. */
  #mayHaveActed(): boolean {
    return this.#of.terms.repair !== 'dry-run' && this.#run.state !== 'listing'
  }

  async #list(): Promise<void> {
    const { audited, store, signal } = this.#of
    const { provider } = audited.effect
    const list = provider.list?.bind(provider)
    if (list === undefined) throw new ConfigurationError('The provider has no `list`.')
    const stop = AbortSignal.any([signal, this.#held.signal])
    const counts = await listInto(this.#run, { store, list, signal: stop, check: this.#check })
    await this.#believe(counts)
    await store.resolveReferences(this.#run)
    await this.#advance('matching', counts, null)
  }

  /** A list with nothing of ours, though the journal knows better, is no list. */
  async #believe(counts: AuditCounts): Promise<void> {
    if (counts.listed > counts.foreign || !(await this.#of.store.expectsAny(this.#run, this.#coverage()))) return
    throw new AuditIncomplete(
      'listed_nothing',
      `The service listed nothing of ours (${counts.listed} operations in all), though effects succeeded in that time. ` +
        'Is it the right account?',
    )
  }

  async #match(): Promise<void> {
    const { store, audited, terms } = this.#of
    const counts = await match(this.#run, {
      ...{ store, audited, coverage: this.#coverage(), check: this.#check },
      settles: terms.repair !== 'dry-run',
      releases: terms.releases,
    })
    await this.#advance('repairing', counts, null)
  }

  async #repair(): Promise<AuditRun['note']> {
    const { store, audited, terms, signal } = this.#of
    if (terms.repair === 'dry-run') return null
    const of = { store, audited, signal, check: this.#check }
    await repairApproved(of)
    return terms.repair === 'ask' ? null : repairByPolicy(this.#run, terms.repair.auto, of)
  }

  #coverage() {
    const { skewMs, settlesWithinMs } = this.#of.terms
    return { skewMs, settlesWithinMs }
  }

  async #advance(state: AuditState, counts: AuditCounts, note: AuditRun['note']): Promise<void> {
    this.#run = await this.#of.store.advance(this.#run, { state, counts, note })
  }
}

/** An audit that failed for what the service did is over; one that lost its lease or its journal is another's to go on with. */
async function markIncomplete(store: AuditStore, run: AuditRun, error: unknown): Promise<void> {
  if (!(error instanceof AuditIncomplete)) return
  const note = { code: error.problem, message: error.message }
  const stands = (await store.run(run.id)) ?? run
  await store.advance({ ...stands, fence: run.fence }, { state: 'incomplete', counts: stands.counts, note })
  await store.clear(run)
}

/**
 * Waits for the audit that another has under way: its report if it was asked for the same; null if it is over, and one's
 * own may begin. `known`: the last audit that was over before.
 */
async function theOther<Tx>(of: AuditOf<Tx>, known: string | null): Promise<AuditReport | null> {
  const latest = await latestRun(of)
  const isSame = latest?.request === of.terms.request
  if (latest !== null && latest.endedAtMs === null && !isSame) {
    throw new AuditUnderWay(
      `Another audit of ${latest.effect} is under way (${latest.id}) that was asked for differently. Nothing was done ` +
        'by this call; ask again when it is over.',
    )
  }
  if (latest !== null && isAnswer(of, latest, known)) return reportOf(of.store, latest)
  if (of.signal.aborted) throw new AuditIncomplete('stopped', 'The audit was stopped before it had begun.')
  await of.audited.context.clock.sleep(LOOK_MS, of.signal)
  return null
}

/** Whether an audit that is over answers this call: it was asked for the same, and was not over when this call began. */
function isAnswer<Tx>(of: AuditOf<Tx>, run: AuditRun, known: string | null): boolean {
  return run.endedAtMs !== null && run.id !== known && run.request === of.terms.request
}

async function latestRun<Tx>(of: AuditOf<Tx>): Promise<AuditRun | null> {
  return (await of.store.runs([of.audited.name], null, 1))[0] ?? null
}

function reportOf(store: AuditStore, run: AuditRun): AuditReport {
  if (run.state === 'complete') return new AuditReport(store, run)
  // The note ends as the error did from which it was made.
  if (run.note !== null) throw new AuditIncomplete(run.note.code, run.note.message, { next: null })
  throw new AuditIncomplete('incomplete', 'The audit did not end.', { next: WHAT_STANDS })
}
