import type { AuditCounts, AuditRun, AuditStore, AuditTotal, Finding } from '../protocol/index.js'
import { csvRow } from './csv.js'
import { htmlPage } from './html.js'

const PAGE_ROWS = 1_000

/** The columns of the CSV, in their order: a promise to whoever reads it by machine. */
const CSV_COLUMNS = [
  'id',
  'kind',
  'code',
  'status',
  'key',
  'external_id',
  'kept_external_id',
  'reference',
  'entry_id',
  'live_minor_units',
  'currency',
  'expected_minor_units',
  'expected_currency',
  'decided_by',
  'decided_at',
  'message',
  'note',
] as const

/** What one audit saw and did. It is saved: `counterfoil.auditReport(run.id)` gives it again. */
export class AuditReport {
  /** The audit itself: window, cursor, times, and why it asks, if it does. */
  readonly run: AuditRun
  readonly #store: AuditStore

  constructor(store: AuditStore, run: AuditRun) {
    this.#store = store
    this.run = run
  }

  get counts(): AuditCounts {
    return this.run.counts
  }

  /** How many findings of each kind and status, and how much, per currency. */
  get totals(): readonly AuditTotal[] {
    return this.run.totals
  }

  /** How long it took; null while it is under way. */
  get durationMs(): number | null {
    const { startedAtMs, endedAtMs } = this.run
    return endedAtMs === null ? null : endedAtMs - startedAtMs
  }

  /** How late it began, for an audit on a schedule; null for any other. */
  get lateMs(): number | null {
    const { startedAtMs, dueAtMs } = this.run
    return dueAtMs === null ? null : Math.max(0, startedAtMs - dueAtMs)
  }

  /** Its findings as they stand now, in a fixed order, page by page. */
  async *findings(): AsyncGenerator<Finding> {
    let after: string | null = null
    for (;;) {
      const page: readonly Finding[] = await this.#store.findings({ runId: this.run.id }, after, PAGE_ROWS)
      yield* page
      after = page.at(-1)?.id ?? null
      if (after === null || page.length < PAGE_ROWS) return
    }
  }

  /** The whole as one JSON document, in pieces: write them to a file or a response as they come. */
  async *json(): AsyncGenerator<string> {
    const head = { run: this.run, durationMs: this.durationMs, lateMs: this.lateMs }
    yield `${JSON.stringify(head).slice(0, -1)},"findings":[`
    let comma = ''
    for await (const finding of this.findings()) {
      yield `${comma}\n${JSON.stringify(finding)}`
      comma = ','
    }
    yield '\n]}\n'
  }

  /** The findings as CSV (RFC 4180), with a head, in pieces. Text that a spreadsheet would take for a formula is disarmed. */
  async *csv(): AsyncGenerator<string> {
    yield csvRow(CSV_COLUMNS)
    for await (const each of this.findings()) {
      const cells = csvOf(each)
      yield csvRow(CSV_COLUMNS.map((column) => cells[column]))
    }
  }

  /** One page for people, self-contained: no script, no request to anywhere. */
  async *html(): AsyncGenerator<string> {
    yield* htmlPage(this, this.findings())
  }
}

/** The pieces of a report as one text. */
export async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

function csvOf(finding: Finding): Record<(typeof CSV_COLUMNS)[number], string | number | null> {
  const { amount, expected, decidedAtMs } = finding
  return {
    id: finding.id,
    kind: finding.kind,
    code: finding.code,
    status: finding.status,
    key: finding.key,
    external_id: finding.externalId,
    kept_external_id: finding.kept?.externalId ?? null,
    reference: finding.reference,
    entry_id: finding.entryId,
    live_minor_units: amount?.minorUnits ?? null,
    currency: amount?.currency ?? null,
    expected_minor_units: expected?.minorUnits ?? null,
    expected_currency: expected?.currency ?? null,
    decided_by: finding.decidedBy,
    decided_at: decidedAtMs === null ? null : new Date(decidedAtMs).toISOString(),
    message: finding.message,
    note: finding.note,
  }
}
