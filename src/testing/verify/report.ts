/** What is looked at; stable, for machines. */
export type CheckName =
  | 'succeeds'
  | 'key_is_stable'
  | 'sends_reference'
  | 'one_request_per_attempt'
  | 'same_request_again'
  | 'honours_key'
  | 'external_id'
  | 'receipt_is_json'
  | 'find_sees'
  | 'settles_within'
  | 'find_proves_absence'
  | 'find_tells_failure'
  | 'stops_at_deadline'
  | 'follows_no_redirect'
  | 'connection_refused'
  | 'response_lost'
  | 'response_truncated'
  | 'error_before_effect'
  | 'error_after_effect'
  | 'late_commit'
  | 'worker_lost_before_send'
  | 'worker_lost_after_send'
  | 'key_expired'
  | 'duplicate_at_once'

/** `not_checked`: it does not apply, or something before it has to hold first; `words` say which. */
export type Verdict = 'holds' | 'broken' | 'not_checked'

/** One thing that was looked at. */
export interface Check {
  readonly name: CheckName
  readonly verdict: Verdict
  /** What was seen, in plain words. */
  readonly words: string
  /** What to do about it; null where there is nothing to do. */
  readonly advice: string | null
  /** How many operations the service had in the end for the one key; null where that was not what was looked at. */
  readonly made: number | null
}

/** What came of verifying one effect. */
export interface VerifyReport {
  /** The effect's name. */
  readonly effect: string
  /** Nothing is broken. */
  readonly ok: boolean
  /** Whose word the number of operations is: the fake's books, or only its answers. */
  readonly countedBy: 'books' | 'answers'
  readonly checks: readonly Check[]
}

export function holds(name: CheckName, words: string, advice: string | null = null): Check {
  return { name, verdict: 'holds', words, advice, made: null }
}

export function broken(name: CheckName, words: string, advice: string): Check {
  return { name, verdict: 'broken', words, advice, made: null }
}

export function notChecked(name: CheckName, words: string): Check {
  return { name, verdict: 'not_checked', words, advice: null, made: null }
}

/** An effect does not keep what its provider declares. The message is the whole report. */
export class VerificationFailed extends Error {
  readonly report: VerifyReport
  constructor(report: VerifyReport) {
    super(formatReport(report))
    this.name = 'VerificationFailed'
    this.report = report
  }
}

/**
 * For a test runner: passes if nothing is broken.
 *
 * @throws {VerificationFailed} with the report in words.
 */
export function assertVerified(report: VerifyReport): void {
  if (!report.ok) throw new VerificationFailed(report)
}

const MARKS: Readonly<Record<Verdict, string>> = { holds: '✓', broken: '✗', not_checked: '–' }

/** The report for people: what is broken first. */
export function formatReport(report: VerifyReport): string {
  const lines = [`${report.effect}: ${summary(report)}`, '']
  for (const verdict of ['broken', 'holds', 'not_checked'] as const) {
    for (const check of report.checks.filter((each) => each.verdict === verdict)) {
      lines.push(`  ${MARKS[verdict]} ${check.name.replaceAll('_', ' ')}: ${check.words}`)
      if (check.advice !== null) lines.push(`    → ${check.advice}`)
    }
  }
  if (report.countedBy === 'answers') {
    lines.push(
      '',
      '  How often it happened was counted from the answers of the fake. Give `count`, to count in its books.',
    )
  }
  return lines.join('\n')
}

function summary({ checks }: VerifyReport): string {
  const number = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length
  const counts = `${number('holds')} hold, ${number('broken')} broken, ${number('not_checked')} not checked`
  if (number('broken') === 0) return `holds (${counts})`
  const twice = checks.some(({ made }) => made !== null && made > 1)
  return `${twice ? 'CAN BE MADE TWICE' : 'does not keep what it declares'} (${counts})`
}
