import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresServers } from '../../test/support/servers.js'
import {
  begin,
  claim,
  compacted,
  type Entry,
  type Event,
  type EvidenceWrite,
  enact,
  enqueue,
  forcedResolution,
  type Intent,
  isClaimable,
  isFinished,
  isHeldBy,
  type ResumeOrder,
  resumeChange,
  transition,
} from '../protocol/index.js'
import type { JournalSubject } from './conformance/index.js'
import { accepted, LONG_MS, termsOf, toMicros, World } from './conformance/subject.js'
import { settledByEvidence } from './evidence.js'
import { mayRenew, renewed } from './renewal.js'
import { isSettleable, markSettled, noteSettlementFailure } from './settlement.js'
import { memorySubject, postgresSubject } from './subjects.fixture.js'

/** Over at once, or not within the test: so that nothing depends on how fast the test runs. */
const SHORT_MS = 0.5

const soonOrLate = fc.constantFrom(SHORT_MS, LONG_MS)
const terms = fc.record({ owner: fc.constantFrom('a', 'b'), leaseMs: soonOrLate })
const reason = fc.record({ code: fc.constantFrom('declined', 'timeout'), message: fc.string({ maxLength: 20 }) })
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '0')))
const receipt = fc.record({ receipt: json, externalId: fc.option(fc.constantFrom('ch_1', 'ch_"2', '{')) })

const outcome = fc.oneof(
  receipt.map((each) => ({ kind: 'executed' as const, ...each })),
  fc.record({ kind: fc.constant('rejected' as const), reason, settlesDoubt: fc.boolean() }),
  fc.record({ kind: fc.constant('not_executed' as const), reason, retryAfterMs: fc.constant(null) }),
  fc.record({ kind: fc.constant('unknown' as const), reason, keySpent: fc.boolean() }),
)

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('attempt_ended' as const),
      outcome,
      callOver: fc.boolean(),
      retryInMs: soonOrLate,
      maxAttempts: fc.constantFrom(1, 3),
    }),
  },
  fc.record({
    type: fc.constant('attempt_started' as const),
    proof: fc.constantFrom('key' as const, 'absence' as const),
    leaseMs: soonOrLate,
    timeoutMs: fc.constant(SHORT_MS),
  }),
  receipt.map((each) => ({ type: 'found' as const, ...each })),
  fc.record({ type: fc.constant('found_rejected' as const), reason }),
  fc.record({ type: fc.constant('found_absent' as const), dueInMs: soonOrLate }),
  fc.record({ type: fc.constant('postponed' as const), dueInMs: soonOrLate, findFailed: fc.option(reason) }),
  fc.record({ type: fc.constant('parked' as const), reason, knownAbsent: fc.boolean() }),
)

type Command =
  | {
      readonly do: 'begin' | 'enqueue' | 'claim' | 'claimDue' | 'renew'
      readonly terms: { owner: string; leaseMs: number }
    }
  | { readonly do: 'write'; readonly events: readonly Event[]; readonly staleBy: number; readonly owner: string | null }
  | { readonly do: 'settle'; readonly fails: boolean }
  | { readonly do: 'settlementFailed'; readonly retryInMs: number | null }
  | { readonly do: 'compact' }
  | { readonly do: 'resume'; readonly proof: ResumeOrder['proof']; readonly staleBy: number }
  | { readonly do: 'force'; readonly happened: boolean }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'begin' as const,
        'enqueue' as const,
        'claim' as const,
        'claimDue' as const,
        'renew' as const,
      ),
      terms,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      // Enough that one of them can happen to the entry as it stands.
      events: fc.array(event, { minLength: 8, maxLength: 8 }),
      staleBy: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
      owner: fc.constantFrom(null, null, null, null, null, 'somebody else'),
    }),
  },
  fc.record({ do: fc.constant('settle' as const), fails: fc.boolean() }),
  fc.record({ do: fc.constant('settlementFailed' as const), retryInMs: fc.option(soonOrLate) }),
  fc.record({ do: fc.constant('compact' as const) }),
  fc.record({
    do: fc.constant('resume' as const),
    proof: fc.constantFrom('known' as const, 'absence' as const, 'key' as const),
    staleBy: fc.constantFrom(0, 0, 0, 0, -1),
  }),
  fc.record({ do: fc.constant('force' as const), happened: fc.boolean() }),
)

/** Drives a journal and the protocol's functions side by side; after each step both must say the same of the entry. */
class Model<Tx> {
  readonly #subject: JournalSubject<Tx>
  readonly #world = new World()
  #intent: Intent
  #entry: Entry | null = null
  #earlier: string[] = []

  constructor(subject: JournalSubject<Tx>, hasSettledHandler: boolean) {
    this.#subject = subject
    this.#intent = this.#world.intent({ hasSettledHandler })
  }

  async step(command: Command): Promise<void> {
    await this.#subject.elapse(2 * SHORT_MS)
    await this.#do(command)
    const [seen] = await this.#subject.journal.read([this.#intent.id])
    const expected = this.#entry === null ? null : toMicros(this.#entry)
    expect(seen === null || seen === undefined ? null : seen.entry).toEqual(expected)
    expect(await this.#subject.journal.earlierFingerprints(this.#intent.id)).toEqual(this.#earlier)
    const parked = expected?.state === 'parked' ? [expected] : []
    expect(await this.#subject.journal.parked.list([this.#world.effect()], 2, null)).toEqual(parked)
  }

  #do(command: Command): Promise<void> {
    switch (command.do) {
      case 'begin':
        return this.#begin(command.terms)
      case 'enqueue':
        return this.#enqueue()
      case 'claim':
        return this.#claim(command.terms)
      case 'claimDue':
        return this.#claimDue(command.terms)
      case 'renew':
        return this.#renew(command.terms)
      case 'write':
        return this.#write(command)
      case 'settle':
        return this.#settle(command.fails)
      case 'settlementFailed':
        return this.#settlementFailed(command.retryInMs)
      case 'compact':
        return this.#compact()
      case 'resume':
        return this.#resume(command)
      case 'force':
        return this.#force(command.happened)
    }
  }

  async #begin({ owner, leaseMs }: { owner: string; leaseMs: number }): Promise<void> {
    const claimTerms = termsOf(owner, { leaseMs })
    const begun = accepted((await this.#subject.journal.begin([{ intent: this.#intent, terms: claimTerms }]))[0])
    expect(begun.created).toBe(this.#entry === null)
    this.#entry ??= begin(this.#intent, claimTerms, begun.nowMs)
    expect(toMicros(begun.entry)).toEqual(toMicros(this.#entry))
  }

  async #enqueue(): Promise<void> {
    const items = [{ intent: this.#intent, notBefore: null }]
    const enqueued = await this.#subject.transaction((tx) => this.#subject.journal.enqueue(tx, items))
    const created = enqueued.map((each) => each.created)
    expect(created).toEqual([this.#entry === null])
    if (this.#entry !== null) return
    const [seen] = await this.#subject.journal.read([this.#intent.id])
    const createdAtMs = seen?.entry.createdAtMs ?? 0
    this.#entry = enqueue(this.#intent, createdAtMs, createdAtMs)
  }

  async #claim({ owner, leaseMs }: { owner: string; leaseMs: number }): Promise<void> {
    const claimed = await this.#subject.journal.claim(this.#intent.id, termsOf(owner, { leaseMs }))
    expect(claimed === null).toBe(this.#entry === null)
    if (claimed === null || this.#entry === null) return
    expect(claimed.claimed).toBe(isClaimable(this.#entry, claimed.nowMs))
    if (claimed.claimed) this.#entry = claim(this.#entry, termsOf(owner, { leaseMs }), claimed.nowMs)
  }

  async #claimDue({ owner, leaseMs }: { owner: string; leaseMs: number }): Promise<void> {
    const effect = this.#world.effect('charge', { owner, leaseMs })
    // Asked before: what is not due yet may be so a moment later.
    const [before] = this.#entry === null ? [null] : await this.#subject.journal.read([this.#entry.id])
    const [seen, more] = await this.#subject.journal.claimDue([effect], 2)
    expect(more).toBeUndefined()
    if (seen !== undefined && this.#entry !== null) {
      this.#entry = claim(this.#entry, termsOf(owner, { leaseMs }), seen.nowMs)
      expect(seen.entry).toEqual(toMicros(this.#entry))
    } else if (this.#entry !== null) {
      expect(isClaimable(this.#entry, before?.nowMs ?? 0)).toBe(false)
    }
  }

  async #renew({ owner, leaseMs }: { owner: string; leaseMs: number }): Promise<void> {
    const { key, generation, hasSettledHandler } = this.#intent
    const input = { again: generation }
    const next = this.#world.intent({ key, generation: generation + 1, hasSettledHandler, input })
    const begun = await this.#subject.journal.renew({ intent: next, terms: termsOf(owner, { leaseMs }) })
    expect(begun === null).toBe(this.#entry === null)
    if (begun === null || this.#entry === null) return
    expect(begun.created).toBe(mayRenew(this.#entry, next))
    if (!begun.created) return
    this.#earlier.push(this.#entry.fingerprint)
    this.#entry = renewed(this.#entry, next, termsOf(owner, { leaseMs }), begun.nowMs)
    this.#intent = next
  }

  async #write(command: Command & { do: 'write' }): Promise<void> {
    const entry = this.#entry
    const event = command.events.find((each) => entry !== null && happens(entry, each))
    if (entry === null || event === undefined) return
    const change = transition(entry, event)
    const holder = { fence: entry.fence + command.staleBy, owner: command.owner ?? entry.owner ?? 'nobody' }
    const written = accepted((await this.#subject.journal.write([{ id: entry.id, ...holder, change }]))[0])
    expect(written.applied).toBe(isHeldBy(entry, holder))
    if (written.applied) this.#entry = enact(entry, change, written.nowMs)
  }

  async #settle(fails: boolean): Promise<void> {
    const handler = fails ? () => Promise.reject(new Error('the handler broke')) : () => Promise.resolve()
    const due = this.#entry !== null && isSettleable(this.#entry)
    const settling = this.#subject.journal.settle(this.#intent.id, handler)
    if (due && fails) return expect(settling).rejects.toThrow('the handler broke')
    expect((await settling).ran).toBe(due)
    if (due && this.#entry !== null) this.#entry = markSettled(this.#entry, await this.#updatedAtMs())
  }

  async #settlementFailed(retryInMs: number | null): Promise<void> {
    await this.#subject.journal.settlementFailed(this.#intent.id, retryInMs)
    if (this.#entry === null || !isSettleable(this.#entry)) return
    this.#entry = noteSettlementFailure(this.#entry, retryInMs, await this.#updatedAtMs())
  }

  async #compact(): Promise<void> {
    const { retention } = this.#subject.journal
    const { namespace, effect } = this.#intent
    // Whatever was done before is older than this.
    const terms = { namespace, effects: [effect], compactAfterMs: SHORT_MS, purgeAfterMs: null }
    for (let place = await retention.begin(0); place !== null; ) place = (await retention.step(terms, place)).next
    if (this.#entry !== null && isFinished(this.#entry)) this.#entry = compacted(this.#entry)
  }

  async #resume({ proof, staleBy }: Command & { do: 'resume' }): Promise<void> {
    const entry = this.#entry
    if (entry?.state !== 'parked') return
    if (proof !== 'absence' && (proof === 'known') !== (entry.inDoubtSinceMs === null)) return
    const change = resumeChange(entry, { actor: 'ada', reason: 'the service is back', proof })
    return this.#writeUnheld(entry, { id: entry.id, fence: entry.fence + staleBy, state: 'parked', change })
  }

  async #force(happened: boolean): Promise<void> {
    const entry = this.#entry
    if (entry?.state !== 'parked' || entry.inDoubtSinceMs === null) return
    const answer = happened ? { happened, receipt: { by: 'hand' }, externalId: 'ch_1' } : { happened }
    const forced = forcedResolution(entry, { actor: 'ada', reason: 'it is in the dashboard', answer })
    return this.#writeUnheld(entry, { id: entry.id, fence: entry.fence, state: 'parked', ...forced })
  }

  async #writeUnheld(entry: Entry, write: EvidenceWrite): Promise<void> {
    const after = await this.#subject.journal.settleByEvidence(write)
    const expected = settledByEvidence(entry, write, after?.entry.updatedAtMs ?? 0)
    expect(after?.entry ?? null).toEqual(expected === null ? null : toMicros(expected))
    this.#entry = expected ?? entry
  }

  async #updatedAtMs(): Promise<number> {
    const [seen] = await this.#subject.journal.read([this.#intent.id])
    return seen?.entry.updatedAtMs ?? 0
  }
}

/** Whether the protocol knows this event in the entry's state. */
function happens(entry: Entry, event: Event): boolean {
  try {
    transition(entry, event)
    return true
  } catch {
    return false
  }
}

async function agreesWithTheProtocol<Tx>(subject: JournalSubject<Tx>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(
    fc.boolean(),
    fc.array(command, { minLength: 5, maxLength: 25 }),
    async (hasSettledHandler, commands) => {
      const model = new Model(subject, hasSettledHandler)
      for (const each of commands) await model.step(each)
    },
  )
  // Shrinking against a server takes minutes; the seed and the path play the failure again.
  await fc.assert(property, { numRuns, endOnFailure: true })
}

test('the journal in memory does what the protocol says, whatever is asked of it', async () => {
  await agreesWithTheProtocol(memorySubject(), 500)
})

describe.each(postgresServers())('in $name', ({ url }) => {
  let subject: Awaited<ReturnType<typeof postgresSubject>>
  beforeAll(async () => {
    subject = await postgresSubject(url, { listen: false })
  })
  afterAll(() => subject.close())

  test('the SQL does what the protocol says, whatever is asked of it', { timeout: 120_000 }, async () => {
    await agreesWithTheProtocol(subject, 60)
  })
})
