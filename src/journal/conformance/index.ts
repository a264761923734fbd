import { auditCases } from './audits.js'
import { byHandCases } from './by-hand.js'
import { claimCases } from './claims.js'
import { compensationCases } from './compensations.js'
import { inboxCases } from './inbox.js'
import { intentCases } from './intents.js'
import { parkedCases } from './parked.js'
import { resumingCases } from './resuming.js'
import { retentionCases } from './retention.js'
import { settlementCases } from './settlements.js'
import { type ConformanceCase, type JournalSubject, World } from './subject.js'
import { togetherCases } from './together.js'
import { turnCases } from './turns.js'

export type { JournalSubject } from './subject.js'

/** A test by its name, for any test runner: `for (const { name, run } of journalConformance(subject)) test(name, run)`. */
export interface ConformanceTest {
  /** The promise that it holds the journal to. */
  readonly name: string
  /** Rejects where the journal breaks the promise. */
  readonly run: () => Promise<void>
}

/**
 * What every journal must keep, as tests that any runner can run. They share one journal, under names of their own, and
 * may run at the same time.
 *
 * @param subject gives the journal to test; it is asked when a test runs, so that a `beforeAll` may make it.
 */
export function journalConformance<Tx>(subject: () => JournalSubject<Tx>): readonly ConformanceTest[] {
  const cases: ConformanceCase<Tx>[] = [
    ...intentCases<Tx>(),
    ...togetherCases<Tx>(),
    ...claimCases<Tx>(),
    ...turnCases<Tx>(),
    ...settlementCases<Tx>(),
    ...compensationCases<Tx>(),
    ...parkedCases<Tx>(),
    ...resumingCases<Tx>(),
    ...byHandCases<Tx>(),
    ...inboxCases<Tx>(),
    ...retentionCases<Tx>(),
    ...auditCases<Tx>(),
  ]
  return cases.map(({ name, run }) => ({ name, run: () => run(subject(), new World()) }))
}
