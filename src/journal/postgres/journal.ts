import {
  type AuditStore,
  assertCallEndsInsideLease,
  type Begun,
  type BegunAndWritten,
  type Claimed,
  type ClaimTerms,
  type CompensationStore,
  type DeadSettlements,
  type DueFirst,
  type EffectTerms,
  type Enqueued,
  type Entry,
  type EvidenceWrite,
  type Head,
  type InboxStore,
  type Intent,
  type Journal,
  JournalError,
  type JournalWrite,
  type LeaseService,
  type NotBefore,
  type ParkedEntries,
  type Renewal,
  type RetentionStore,
  type Seen,
  type SettlementResult,
  type Written,
} from '../../protocol/index.js'
import { type Clock, realClock, realRandomness } from '../../system/index.js'
import { PostgresAudits } from './audits.js'
import { inOrderOfIds } from './batch.js'
import { Batches } from './batches.js'
import type { PostgresPool, PostgresTransaction } from './client.js'
import { PostgresCompensations } from './compensations.js'
import { outliveBrokenConnections } from './connection.js'
import { Database } from './database.js'
import { PostgresDeadSettlements } from './dead-settlements.js'
import { DueEntries, type EffectName } from './due.js'
import { enqueueIn, WakeUps } from './enqueue.js'
import { PostgresInbox } from './inbox.js'
import { Intents, readSeen } from './intents.js'
import { leasesBeside } from './lease.js'
import { ChannelListener, listeningConnections } from './listener.js'
import { Outcomes } from './outcomes.js'
import type { BeginItem } from './parameters.js'
import { PostgresParkedEntries } from './parked.js'
import { PostgresRetention } from './retention.js'
import { byId, entryOf, jsonText, seenOf } from './row.js'
import { MAINTAINED_ELSEWHERE, MigratedSchema, type Schema } from './schema.js'
import { quoteIdentifier } from './statement.js'
import { type Statements, statementsFor } from './statements.js'
import { tiedIfClient } from './tied-client.js'
import { Together } from './together.js'
import { inTransaction } from './transaction.js'

export interface PostgresJournalOptions {
  /** Where the journal's tables are. Default `counterfoil`. Several journals may live in one database, each in a schema. */
  readonly schema?: string
  /**
   * Whether to prepare each statement once per connection, which saves the server about a tenth of its work. Default
   * false, because a prepared statement belongs to one connection and PgBouncer in transaction mode gives out another
   * (it is safe there from PgBouncer 1.21 with `max_prepared_statements`).
   */
  readonly preparedStatements?: boolean
  /**
   * Whether to LISTEN for changes that others make, on a connection beside the pool's. Default true. Without it, or
   * behind PgBouncer in transaction mode (which swallows LISTEN), waiters hear of a change by their next poll.
   */
  readonly listen?: boolean
  /** Whether to bring the schema to this version before first use (see `migrate`). Default true. */
  readonly migrate?: boolean
  /** For the delays of reconnecting and the like; the journal's own clock is the database's. Default: the machine's. */
  readonly clock?: Clock
}

/**
 * The journal in PostgreSQL (14 or newer), through a pool of `pg`. The pool stays the application's: `close` does not
 * end it. Every statement is a transaction of its own or lives in one that is given, takes no advisory lock and sets
 * nothing in the session, so that a pooler in transaction mode may stand between.
 */
export function postgresJournal(
  pool: PostgresPool,
  options: PostgresJournalOptions = {},
): Journal<PostgresTransaction> {
  return new PostgresJournal(pool, options)
}

class PostgresJournal implements Journal<PostgresTransaction> {
  readonly lease: LeaseService
  readonly compensations: CompensationStore<PostgresTransaction>
  readonly deadSettlements: DeadSettlements
  readonly parked: ParkedEntries
  readonly audits: AuditStore
  readonly inbox: InboxStore<PostgresTransaction>
  readonly retention: RetentionStore
  readonly #database: Database
  readonly #sql: Statements
  readonly #due: DueEntries
  readonly #intents: Intents
  readonly #outcomes: Outcomes
  readonly #together: Together
  readonly #wakeUps: WakeUps
  readonly #channel: string
  readonly #listener: ChannelListener | null
  readonly #schema: Schema

  constructor(pool: PostgresPool, options: PostgresJournalOptions) {
    const schema = options.schema ?? 'counterfoil'
    outliveBrokenConnections(pool)
    this.#database = new Database(pool, options.preparedStatements ?? false)
    this.#sql = statementsFor(quoteIdentifier(schema))
    this.#channel = channelOf(schema)
    const clock = options.clock ?? realClock
    this.#due = new DueEntries(this.#database, this.#sql, clock)
    const batched = { database: this.#database, sql: this.#sql, batches: new Batches(clock, realRandomness) }
    this.#intents = new Intents(batched)
    this.#outcomes = new Outcomes({ ...batched, channel: this.#channel })
    this.#together = new Together({
      ...batched,
      channel: this.#channel,
      intents: this.#intents,
      outcomes: this.#outcomes,
    })
    this.#wakeUps = new WakeUps(this.#channel, clock)
    this.#listener =
      options.listen === false ? null : new ChannelListener(listeningConnections(pool), this.#channel, clock)
    const prepare = (): Promise<unknown> => this.prepare()
    this.lease = leasesBeside(pool, schema, prepare)
    const at = { database: this.#database, sql: this.#sql, prepare }
    this.compensations = new PostgresCompensations({ ...at, channel: this.#channel })
    this.deadSettlements = new PostgresDeadSettlements(at)
    this.parked = new PostgresParkedEntries(at)
    this.audits = new PostgresAudits(at)
    this.inbox = new PostgresInbox(at)
    this.retention = new PostgresRetention(at)
    this.#schema = options.migrate === false ? MAINTAINED_ELSEWHERE : new MigratedSchema(pool, schema, clock)
  }

  prepare(): Promise<void> {
    return this.#schema.ready()
  }

  async begin(items: readonly BeginItem[]): Promise<readonly (Begun | JournalError)[]> {
    for (const { terms } of items) assertCallEndsInsideLease(terms)
    await this.prepare()
    return this.#intents.begin(items)
  }

  async beginAndWrite(
    items: readonly BeginItem[],
    writes: readonly JournalWrite[],
  ): Promise<BegunAndWritten | 'apart' | 'blocked'> {
    for (const { terms } of items) assertCallEndsInsideLease(terms)
    await this.prepare()
    return this.#together.beginAndWrite(items, writes)
  }

  tie(tx: PostgresTransaction): PostgresTransaction {
    return tiedIfClient(tx)
  }

  async enqueue(
    tx: PostgresTransaction | null,
    items: readonly { readonly intent: Intent; readonly notBefore: NotBefore | null }[],
  ): Promise<readonly Enqueued[]> {
    await (tx === null ? this.prepare() : this.#schema.readyIn(tx))
    return inOrderOfIds(
      items.map((item, position) => ({ ...item, position })),
      ({ intent }) => intent.id,
      (ordered) => {
        const channel = this.#wakeUps.channelFor(ordered)
        return tx === null
          ? this.#intents.enqueue(ordered, channel)
          : enqueueIn(tx, this.#sql, { items: ordered, channel })
      },
    )
  }

  async transaction<Result>(work: (tx: PostgresTransaction) => Promise<Result>): Promise<Result> {
    await this.prepare()
    let result: { readonly of: Result } | null = null
    await inTransaction(this.#database.pool, 'run a transaction', async (open) => {
      result = { of: await work(open.tx) }
      await open.takeBack()
    })
    if (result === null) throw new JournalError('The transaction ended without its work.')
    return (result as { readonly of: Result }).of
  }

  async heads(effects: readonly EffectName[], limit: number): Promise<readonly Head[]> {
    await this.prepare()
    return this.#due.heads(effects, limit)
  }

  async claim(id: string, terms: ClaimTerms): Promise<Claimed | null> {
    assertCallEndsInsideLease(terms)
    await this.prepare()
    const values = [id, terms.owner, terms.leaseMs, terms.timeoutMs]
    const [row] = await this.#database.write('take an entry', this.#sql.claim, values)
    if (row !== undefined) return { claimed: true, ...seenOf(row) }
    const seen = (await this.#read([id])).get(id)
    return seen === undefined ? null : { claimed: false, ...seen }
  }

  async claimDue(effects: readonly EffectTerms[], limit: number, first?: DueFirst): Promise<readonly Seen[]> {
    await this.prepare()
    return this.#due.claim(effects, limit, first)
  }

  async write(writes: readonly JournalWrite[]): Promise<readonly (Written | JournalError)[]> {
    await this.prepare()
    return this.#outcomes.write(writes)
  }

  async renew({ intent, terms }: Renewal): Promise<Begun | null> {
    assertCallEndsInsideLease(terms)
    await this.prepare()
    const { id, generation, reference, fingerprint, serializeKey, group, hasSettledHandler } = intent
    const identity = [id, generation, reference, JSON.stringify(intent.input), fingerprint, serializeKey, group]
    const values = [...identity, hasSettledHandler, terms.owner, terms.leaseMs, terms.timeoutMs]
    const [row] = await this.#database.write('begin a generation', this.#sql.renew, values)
    if (row !== undefined) return { created: true, ...seenOf(row) }
    const seen = (await this.#read([id])).get(id)
    return seen === undefined ? null : { created: false, ...seen }
  }

  async read(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    await this.prepare()
    const seen = await this.#read(ids)
    return ids.map((id) => seen.get(id) ?? null)
  }

  async earlierFingerprints(id: string): Promise<readonly string[]> {
    await this.prepare()
    const rows = await this.#database.read('read the history', this.#sql.earlierFingerprints, [id])
    return rows.map((row) => row[0] ?? '')
  }

  async await(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    await this.prepare()
    const rows = await this.#database.write('wait for entries', this.#sql.await, [[...ids].sort()])
    const marked = byId(rows)
    const rest = ids.filter((id) => !marked.has(id))
    const others = rest.length === 0 ? new Map<string, Seen>() : await this.#read(rest)
    return ids.map((id) => marked.get(id) ?? others.get(id) ?? null)
  }

  subscribe(listener: (id: string) => void): () => void {
    return this.#listener?.add(listener) ?? (() => undefined)
  }

  async dueSettlements(effects: readonly EffectName[], limit: number): Promise<readonly string[]> {
    await this.prepare()
    return this.#due.settlements(effects, limit)
  }

  async settle(
    id: string,
    handler: (tx: PostgresTransaction, entry: Entry) => Promise<void>,
    longestMs?: number,
  ): Promise<SettlementResult> {
    await this.prepare()
    const what = 'settle an entry'
    let ran = false
    await inTransaction(this.#database.pool, what, async (open) => {
      const values = [id, longestMs ?? null]
      const [row] = await this.#database.inTransaction(what, this.#sql.takeForSettlement, values, open.connection)
      if (row === undefined) return
      await handler(open.tx, entryOf(row))
      await open.takeBack()
      const marked = await this.#database.inTransaction(what, this.#sql.markSettled, [id], open.connection)
      if (marked.length === 0)
        throw new JournalError(`Entry ${id} was changed by its own settled handler. Nothing was written.`)
      ran = true
    })
    if (ran) return { ran }
    return { ran, entry: (await this.#read([id])).get(id)?.entry ?? null }
  }

  async settlementFailed(id: string, retryInMs: number | null): Promise<void> {
    await this.prepare()
    await this.#database.write('note a failed settlement', this.#sql.noteSettlementFailure, [id, retryInMs])
  }

  async nextDueInMs(effects: readonly EffectName[]): Promise<number | null> {
    await this.prepare()
    return this.#due.nextInMs(effects)
  }

  async settleByEvidence({ id, fence, state, change, forcedBy }: EvidenceWrite): Promise<Seen | null> {
    await this.prepare()
    const values = [id, fence, state, change.state, change.dueInMs, jsonText(change.receipt), change.externalId]
    const [row] = await this.#database.write('write evidence', this.#sql.settleByEvidence, [
      ...values,
      ...[jsonText(change.reason), change.attempts, change.findFailures, change.doubt === 'keep'],
      ...[forcedBy ?? null, this.#channel],
    ])
    return row === undefined ? null : seenOf(row)
  }

  async readGroup(namespace: string, group: string): Promise<readonly Entry[]> {
    await this.prepare()
    return (await this.#database.read('read a group', this.#sql.readGroup, [namespace, group])).map(entryOf)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }

  async #read(ids: readonly string[]): Promise<Map<string, Seen>> {
    return readSeen(this.#database, this.#sql, ids)
  }
}

/** A channel of the schema's own. PostgreSQL takes 63 bytes of a name. */
function channelOf(schema: string): string {
  const channel = `counterfoil:${schema}`
  return Buffer.byteLength(channel) <= 63 ? channel : schema
}
