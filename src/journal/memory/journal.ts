import { MemoryLease } from '../../lease/memory.js'
import {
  type Begun,
  type BegunAndWritten,
  begin,
  type Claimed,
  type ClaimTerms,
  type CompensationStore,
  claim,
  type DeadSettlements,
  type DueFirst,
  dueAtOf,
  type EffectTerms,
  type Enqueued,
  type Entry,
  type EvidenceWrite,
  enact,
  enqueue,
  type Head,
  type InboxStore,
  type Intent,
  isAtRest,
  isClaimable,
  isHeldBy,
  type Journal,
  type JournalTime,
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
import type { Clock } from '../../system/index.js'
import { lastExecutedFirst, settledByEvidence } from '../evidence.js'
import { mayRenew, renewed } from '../renewal.js'
import { isSettleable, markSettled, noteSettlementFailure } from '../settlement.js'
import { MemoryCompensations } from './compensations.js'
import { copy } from './copy.js'
import { MemoryDeadSettlements } from './dead-settlements.js'
import { MemoryInbox } from './inbox.js'
import { Locks } from './locks.js'
import { MemoryParkedEntries } from './parked.js'
import { MemoryRetention } from './retention.js'
import { MemoryTransaction } from './transaction.js'
import { dueOf, hasTurn } from './turns.js'

/** Where in an operation a simulator may hold it up, let others go first, or break it. */
export type Moment = 'before' | 'after'

export interface MemoryJournalOptions {
  /** Its wall clock is the journal's own clock (P3). */
  readonly clock: Clock
  /**
   * Awaited before and after the one indivisible step of every operation. Throwing `before` stands for a request that
   * was lost, throwing `after` for a lost answer: it was written. Default: gives way once.
   */
  readonly pause?: (operation: keyof Journal, moment: Moment) => Promise<void>
}

type EffectName = Pick<EffectTerms, 'namespace' | 'effect'>

/**
 * A journal in memory, for tests and simulation: the protocol's own functions over a map. It is gone with its process,
 * so it keeps none of the promises that rest on durability.
 */
export class MemoryJournal implements Journal<MemoryTransaction> {
  readonly lease: LeaseService
  readonly compensations: CompensationStore<MemoryTransaction>
  readonly deadSettlements: DeadSettlements
  readonly parked: ParkedEntries
  /** An audit joins a million rows: that is a database's work. */
  readonly audits = null
  readonly inbox: InboxStore<MemoryTransaction>
  readonly retention: RetentionStore
  readonly #clock: Clock
  readonly #pause: (operation: keyof Journal, moment: Moment) => Promise<void>
  /** Each at the place where its generation began: what was written in the same millisecond keeps its order. */
  readonly #entries = new Map<string, Entry>()
  readonly #history = new Map<string, Entry[]>()
  readonly #awaited = new Set<string>()
  /** Entries that open transactions are about to create. */
  readonly #staged = new Map<string, Entry>()
  readonly #listeners = new Set<(id: string) => void>()
  readonly #locks = new Locks()
  readonly #known: () => readonly unknown[]

  constructor(options: MemoryJournalOptions) {
    this.#clock = options.clock
    const lease = new MemoryLease(options.clock)
    this.lease = lease
    const inbox = new MemoryInbox(options.clock)
    this.inbox = inbox
    const lent = {
      get: (id: string) => this.#entries.get(id),
      put: (entry: Entry) => this.#put(entry),
      nowMs: () => this.#now(),
    }
    const compensations = new MemoryCompensations({ ...lent, take: (id, tx) => this.#locks.take(id, tx) })
    this.compensations = compensations
    this.deadSettlements = new MemoryDeadSettlements({ ...lent, all: () => this.#entries.values() })
    this.parked = new MemoryParkedEntries(() => this.#entries.values())
    this.retention = new MemoryRetention({
      ...{ entries: this.#entries, history: this.#history, nowMs: () => this.#now() },
      isLocked: (id) => this.#locks.has(id),
      isUndoingOfExisting: (id) => compensations.isOfExisting(id),
    })
    this.#known = () => [lease.known(), compensations.known(), ...inbox.known()]
    this.#pause = options.pause ?? (() => Promise.resolve())
  }

  async begin(items: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[]): Promise<readonly Begun[]> {
    await this.#pause('begin', 'before')
    const begun: Begun[] = []
    for (const item of items) {
      await this.#untilMade(item.intent.id, null)
      begun.push(this.#begin(item.intent, item.terms))
    }
    await this.#pause('begin', 'after')
    return begun
  }

  #begin(intent: Intent, terms: ClaimTerms): Begun {
    const nowMs = this.#now()
    const existing = this.#entries.get(intent.id)
    if (existing !== undefined) return { created: false, entry: copy(existing), nowMs }
    const entry = this.#put(begin(intent, terms, nowMs))
    return { created: true, entry: copy(entry), nowMs }
  }

  async enqueue(
    tx: MemoryTransaction | null,
    items: readonly { readonly intent: Intent; readonly notBefore: NotBefore | null }[],
  ): Promise<readonly Enqueued[]> {
    if (tx === null) return this.transaction((own) => this.enqueue(own, items))
    await this.#pause('enqueue', 'before')
    const enqueued: Enqueued[] = []
    for (const { intent, notBefore } of items) {
      await this.#untilMade(intent.id, tx)
      tx.assertOpen()
      enqueued.push(this.#enqueue(tx, intent, notBefore))
    }
    await this.#pause('enqueue', 'after')
    return enqueued
  }

  #enqueue(tx: MemoryTransaction, intent: Intent, notBefore: NotBefore | null): Enqueued {
    const standing = this.#entries.get(intent.id) ?? this.#staged.get(intent.id)
    if (standing !== undefined) return enqueuedOf(standing, false)
    const nowMs = this.#now()
    const entry = enqueue(intent, dueAtOf(notBefore, nowMs), nowMs)
    this.#locks.lock(intent.id, tx)
    this.#staged.set(intent.id, entry)
    void tx.ended.then(() => this.#staged.delete(intent.id))
    tx.onCommit(() => this.#put(entry))
    return enqueuedOf(entry, true)
  }

  async claim(id: string, terms: ClaimTerms): Promise<Claimed | null> {
    await this.#pause('claim', 'before')
    const claimed = this.#claim(id, terms)
    await this.#pause('claim', 'after')
    return claimed
  }

  #claim(id: string, terms: ClaimTerms): Claimed | null {
    const nowMs = this.#now()
    const entry = this.#entries.get(id)
    if (entry === undefined) return null
    if (!isClaimable(entry, nowMs) || !hasTurn(entry, this.#entries.values()))
      return { claimed: false, entry: copy(entry), nowMs }
    return { claimed: true, entry: copy(this.#put(claim(entry, terms, nowMs))), nowMs }
  }

  async claimDue(effects: readonly EffectTerms[], limit: number, first?: DueFirst): Promise<readonly Seen[]> {
    await this.#pause('claimDue', 'before')
    const nowMs = this.#now()
    const seen = dueOf(this.#entries.values(), effects, first)
      .filter(({ entry }) => entry.serializeKey === null && isClaimable(entry, nowMs))
      .slice(0, limit)
      .map(({ entry, terms }) => ({ entry: copy(this.#put(claim(entry, terms, nowMs))), nowMs }))
    await this.#pause('claimDue', 'after')
    return seen
  }

  async heads(effects: readonly EffectName[], limit: number): Promise<readonly Head[]> {
    await this.#pause('heads', 'before')
    const nowMs = this.#now()
    const heads: Head[] = []
    for (const { entry } of dueOf(this.#entries.values(), effects)) {
      const { id, namespace, effect, serializeKey } = entry
      if (serializeKey === null || !isClaimable(entry, nowMs) || !hasTurn(entry, this.#entries.values())) continue
      if (heads.length < limit) heads.push({ id, namespace, effect, serializeKey })
    }
    await this.#pause('heads', 'after')
    return heads
  }

  async write(writes: readonly JournalWrite[]): Promise<readonly Written[]> {
    await this.#pause('write', 'before')
    const written = writes.map((each) => this.#write(each))
    await this.#pause('write', 'after')
    return written
  }

  async beginAndWrite(
    items: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[],
    writes: readonly JournalWrite[],
  ): Promise<BegunAndWritten | 'blocked'> {
    await this.#pause('beginAndWrite', 'before')
    if (items.some(({ intent: { id } }) => this.#locks.has(id) && !this.#entries.has(id))) return 'blocked'
    const begun = items.map(({ intent, terms }) => this.#begin(intent, terms))
    const written = writes.map((each) => this.#write(each))
    await this.#pause('beginAndWrite', 'after')
    return { begun, written }
  }

  #write({ id, fence, owner, change }: JournalWrite): Written {
    const entry = this.#entries.get(id)
    if (entry === undefined || !isHeldBy(entry, { owner, fence })) return { applied: false }
    const nowMs = this.#now()
    this.#put(enact(entry, change, nowMs))
    return { applied: true, nowMs }
  }

  async renew({ intent, terms }: Renewal): Promise<Begun | null> {
    await this.#pause('renew', 'before')
    const nowMs = this.#now()
    const entry = this.#entries.get(intent.id)
    let begun: Begun | null = null
    if (entry !== undefined && mayRenew(entry, intent)) {
      this.#history.set(entry.id, [...(this.#history.get(entry.id) ?? []), entry])
      this.#entries.delete(entry.id)
      begun = { created: true, entry: copy(this.#put(renewed(entry, intent, terms, nowMs))), nowMs }
    } else if (entry !== undefined) {
      begun = { created: false, entry: copy(entry), nowMs }
    }
    await this.#pause('renew', 'after')
    return begun
  }

  async read(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    await this.#pause('read', 'before')
    const seen = ids.map((id) => this.#seen(id))
    await this.#pause('read', 'after')
    return seen
  }

  async earlierFingerprints(id: string): Promise<readonly string[]> {
    await this.#pause('earlierFingerprints', 'before')
    const fingerprints = (this.#history.get(id) ?? []).map((entry) => entry.fingerprint)
    await this.#pause('earlierFingerprints', 'after')
    return fingerprints
  }

  async await(ids: readonly string[]): Promise<readonly (Seen | null)[]> {
    await this.#pause('await', 'before')
    for (const id of ids) {
      const entry = this.#entries.get(id)
      if (entry !== undefined && !isAtRest(entry.state)) this.#awaited.add(id)
    }
    const seen = ids.map((id) => this.#seen(id))
    await this.#pause('await', 'after')
    return seen
  }

  subscribe(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async dueSettlements(effects: readonly EffectName[], limit: number): Promise<readonly string[]> {
    await this.#pause('dueSettlements', 'before')
    const nowMs = this.#now()
    const ids = dueOf(this.#entries.values(), effects)
      .filter(({ entry }) => isSettleable(entry) && entry.dueAtMs !== null && entry.dueAtMs <= nowMs)
      .slice(0, limit)
      .map(({ entry }) => entry.id)
    await this.#pause('dueSettlements', 'after')
    return ids
  }

  async settle(id: string, handler: (tx: MemoryTransaction, entry: Entry) => Promise<void>): Promise<SettlementResult> {
    await this.#pause('settle', 'before')
    const entry = this.#entries.get(id)
    if (entry === undefined || !isSettleable(entry) || this.#locks.has(id)) {
      await this.#pause('settle', 'after')
      return { ran: false, entry: entry === undefined ? null : copy(entry) }
    }
    await this.transaction(async (tx) => {
      this.#locks.lock(id, tx)
      await handler(tx, copy(entry))
      // As it stands at the commit: a compensation may have begun meanwhile.
      tx.onCommit(() => this.#put(markSettled(this.#entries.get(id) ?? entry, this.#now())))
    })
    await this.#pause('settle', 'after')
    return { ran: true }
  }

  async settlementFailed(id: string, retryInMs: number | null): Promise<void> {
    await this.#pause('settlementFailed', 'before')
    await this.#locks.ended(id)
    const entry = this.#entries.get(id)
    if (entry !== undefined && isSettleable(entry)) {
      this.#put(noteSettlementFailure(entry, retryInMs, this.#now()))
    }
    await this.#pause('settlementFailed', 'after')
  }

  async nextDueInMs(effects: readonly EffectName[]): Promise<number | null> {
    await this.#pause('nextDueInMs', 'before')
    const nowMs = this.#now()
    const dueAtMs = dueOf(this.#entries.values(), effects).map(({ entry }) => entry.dueAtMs ?? nowMs)
    const next = dueAtMs.length === 0 ? null : dueAtMs.reduce((least, each) => Math.min(least, each))
    await this.#pause('nextDueInMs', 'after')
    return next === null ? null : Math.max(0, next - nowMs)
  }

  /** Runs `body` in a transaction: what it stages is committed when it returns, and forgotten when it throws. */
  async transaction<Result>(body: (tx: MemoryTransaction) => Promise<Result>): Promise<Result> {
    const tx = new MemoryTransaction()
    try {
      const result = await body(tx)
      tx.commit()
      return result
    } finally {
      tx.rollback()
    }
  }

  async settleByEvidence(write: EvidenceWrite): Promise<Seen | null> {
    await this.#pause('settleByEvidence', 'before')
    const seen = this.#settleByEvidence(write)
    await this.#pause('settleByEvidence', 'after')
    return seen
  }

  #settleByEvidence(write: EvidenceWrite): Seen | null {
    const nowMs = this.#now()
    const settled = settledByEvidence(this.#entries.get(write.id), write, nowMs)
    return settled === null ? null : { entry: copy(this.#put(settled)), nowMs }
  }

  async readGroup(namespace: string, group: string): Promise<readonly Entry[]> {
    await this.#pause('readGroup', 'before')
    const entries = [...this.#entries.values()]
      .filter((entry) => entry.namespace === namespace && entry.group === group)
      .sort(lastExecutedFirst)
      .map(copy)
    await this.#pause('readGroup', 'after')
    return entries
  }

  async close(): Promise<void> {
    this.#listeners.clear()
  }

  /** Every entry, for a simulator's checks: they look at all of them after every change, and change none. */
  entries(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  /** Waits, as a database does, until no other open transaction has made this entry. */
  #untilMade(id: string, tx: MemoryTransaction | null): Promise<void> {
    return this.#locks.untilFree(id, tx, () => this.#entries.has(id))
  }

  /** Everything that it has committed, for a simulator that tells states of the world apart. */
  known(): readonly unknown[] {
    return [[...this.#entries.values()], [...this.#history], ...this.#known()]
  }

  #now(): JournalTime {
    return this.#clock.wallMs()
  }

  #seen(id: string): Seen | null {
    const entry = this.#entries.get(id)
    return entry === undefined ? null : { entry: copy(entry), nowMs: this.#now() }
  }

  #put(entry: Entry): Entry {
    const kept = copy(entry)
    this.#entries.set(entry.id, kept)
    if (this.#awaited.has(entry.id)) for (const listener of [...this.#listeners]) listener(entry.id)
    if (isAtRest(entry.state)) this.#awaited.delete(entry.id)
    return kept
  }
}

function enqueuedOf({ state, generation, fingerprint }: Entry, created: boolean): Enqueued {
  return { created, state, generation, fingerprint }
}
