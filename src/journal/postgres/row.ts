import type { Entry, JournalTime, JsonValue, Reason, Seen, Settlement, State } from '../../protocol/index.js'

/**
 * How a row of `entries` travels: every column as PostgreSQL's own text, whatever type parsers the application has set
 * on its driver. Times as whole microseconds since the epoch, which a JavaScript number holds exactly; PostgreSQL keeps
 * no finer ones, so nothing is rounded on the way and a comparison here says what it would say there.
 */
const COLUMNS = [
  'id',
  'namespace',
  'effect',
  'key',
  'generation',
  'reference',
  'input',
  'fingerprint',
  'serialize_key',
  'group_key',
  'state',
  'fence',
  'owner',
  micros('lease_until'),
  // A begun entry has no due time of its own (see migrations/0001-entries.ts): it is due when its lease is over.
  micros('coalesce(e.due_at, e.lease_until)'),
  'attempts',
  'find_failures',
  micros('first_sent_at'),
  micros('last_deadline_at'),
  micros('in_doubt_since'),
  'key_spent',
  'receipt',
  'external_id',
  'reason',
  'forced_by',
  'settlement',
  'settlement_attempts',
  micros('created_at'),
  micros('updated_at'),
] as const

/**
 * A time as microseconds since the epoch. By date_part, in floating point, where extract computes in numeric: a claimed
 * entry has eight times. Its error is below half a microsecond, so that the rounding takes it away, until the year 2106.
 */
export function micros(time: string, table = 'e'): string {
  const column = /^[a-z_]+$/.test(time) ? `${table}.${time}` : time
  return `(date_part('epoch', ${column}) * 1000000)::bigint`
}

/**
 * The journal's clock (P3): when the statement reached the server.
 *
 * Not clock_timestamp(): one statement must have one time, and this one is never ahead of the true time, so that a
 * statement that had to wait (for a lock, for a core) takes no lease too early and calls nothing absent too early. It
 * is also never before the asking, which is where holders count their own deadlines from. Not now(): in a transaction
 * of several statements it is the transaction's beginning, before the asking.
 */
export const NOW = 'statement_timestamp()'

/** The journal's clock as it travels. */
export const NOW_MICROS = micros(NOW)

/** The mark by which what is parked is found (migrations/0012-parked.ts), for whoever writes `state`. */
export function parkedAt(state: string): string {
  return `CASE WHEN ${state} = 'parked' THEN ${NOW} END`
}

/** Whether anybody has ever held the entry at this alias, as the indexes of what is due have it (migrations/0013-lean.ts). */
export function isBegun(alias: string): string {
  return `${alias}.fence > 0`
}

/** The reverse. Not `fence = 0`, nor NOT, of which the planner makes `fence <= 0`: in no index. */
export function isFresh(alias: string): string {
  return `(${alias}.fence > 0) IS FALSE`
}

/** All columns of the entry at alias `e`, in the order that `entryOf` reads. */
export const ENTRY_COLUMNS = COLUMNS.map((column) => (column.includes('(') ? column : `e.${column}`)).join(', ')

export const ENTRY_WIDTH = COLUMNS.length

type Text = string | null

/** The entry in a row of `ENTRY_COLUMNS`. */
export function entryOf(row: readonly Text[]): Entry {
  const text = (i: number): string => row[i] ?? ''
  const optional = (i: number): string | null => row[i] ?? null
  return {
    id: text(0),
    namespace: text(1),
    effect: text(2),
    key: text(3),
    generation: Number(text(4)),
    reference: text(5),
    input: jsonOf(row[6]),
    // JSON's own null is the text 'null'.
    isCompact: row[6] === null || row[6] === undefined,
    fingerprint: text(7),
    serializeKey: optional(8),
    group: optional(9),
    state: text(10) as State,
    fence: Number(text(11)),
    owner: optional(12),
    leaseUntilMs: timeOrNull(row[13]),
    dueAtMs: timeOrNull(row[14]),
    attempts: Number(text(15)),
    findFailures: Number(text(16)),
    firstSentAtMs: timeOrNull(row[17]),
    lastDeadlineAtMs: timeOrNull(row[18]),
    inDoubtSinceMs: timeOrNull(row[19]),
    keySpent: text(20) === 't',
    receipt: jsonOf(row[21]),
    externalId: optional(22),
    reason: jsonOf(row[23]) as Reason | null,
    forcedBy: optional(24),
    settlement: text(25) as Settlement,
    settlementAttempts: Number(text(26)),
    createdAtMs: timeOf(row[27]),
    updatedAtMs: timeOf(row[28]),
  }
}

/** A time that travelled as microseconds. */
export function timeOf(micros: Text | undefined): JournalTime {
  return Number(micros) / 1000
}

function timeOrNull(micros: Text | undefined): JournalTime | null {
  return micros === null || micros === undefined ? null : timeOf(micros)
}

function jsonOf(text: Text | undefined): JsonValue {
  return text === null || text === undefined ? null : (JSON.parse(text) as JsonValue)
}

/** A value for a json column; null for an absent one. */
export function jsonText(value: JsonValue | Reason | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

/** An entry and the journal's clock. */
export function seenOf(row: readonly Text[]): Seen {
  return { entry: entryOf(row), nowMs: timeOf(row[ENTRY_WIDTH]) }
}

/** Entries by their ids. */
export function byId(rows: readonly (readonly Text[])[]): Map<string, Seen> {
  return new Map(rows.map((row) => [row[0] ?? '', seenOf(row)]))
}

/**
 * The end of a statement that tells what it changed: how many entries, the journal's clock in microseconds, and their
 * ids where they are not all that were asked for. In one text, with commas between: a row for each entry, or the ids
 * every time, would cost both ends more, and `pg` makes an object of the columns for each result.
 * `table`: what it changed; `ids`: the parameter.
 */
export function changed(table: string, ids: string): string {
  return `SELECT concat_ws(',', c.count, ${NOW_MICROS}, CASE
  WHEN c.count < cardinality(${ids}::uuid[]) THEN (SELECT string_agg(id::text, ',') FROM ${table})
END) FROM (SELECT count(*) FROM ${table}) AS c`
}

/** The same of a statement that changes one entry; it has no row where it did not. `told`: what it does besides. */
export function changedOne(told = "''"): string {
  return `concat('1,', ${NOW_MICROS}, ${told})`
}

/** Which entries a statement changed, and the journal's clock then. */
export interface Changed {
  /** Null: all that were asked for. */
  readonly ids: ReadonlySet<string> | null
  readonly nowMs: JournalTime
}

/** What the row of `changed` or `changedOne` tells. */
export function changedBy([row]: readonly (readonly Text[])[]): Changed {
  return changedIn(row?.[0])
}

/** What the text of `changed` tells; there is none where nothing was changed. */
export function changedIn(text: Text | undefined): Changed {
  const [count, nowMicros, ...ids] = (text ?? '0,0').split(',')
  const nowMs = timeOf(nowMicros)
  return { ids: ids.length > 0 || count === '0' ? new Set(ids) : null, nowMs }
}
