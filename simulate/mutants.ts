import type { Mutant } from './mutant.js'
import { MUTANTS_OF_LATER } from './mutants-of-later.js'

const DECIDE = 'protocol/decide'
const APPLY = 'protocol/apply'
const CLAIM = 'protocol/claim'
const CALL = 'engine/call'
const HOLDER = 'engine/holder'
const DRIVE = 'engine/drive'
const JOURNAL = 'journal/memory/journal'

/** Nothing is done twice, recorded wrongly, or told wrongly. */
const HARM = ['I1', 'I3', 'I4', 'I8', 'T1', 'T2']

/** At least one bug for every rule that keeps customers from being charged twice. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'fences are not looked at',
    file: CLAIM,
    code: 'return entry.fence === holder.fence && entry.owner === holder.owner',
    mutation: 'return true',
    breaks: ['I6'],
    withinSeeds: 500,
    smallWorld:
      'key: one worker is asked, and the loop of another ends what it leaves; 0 crashes, 2 faults, 0 changes of order, longest times',
  },
  {
    name: 'a late copy of a write is let through after the release',
    file: CLAIM,
    code: 'return entry.fence === holder.fence && entry.owner === holder.owner',
    mutation: 'return entry.fence === holder.fence',
    breaks: ['I6', 'P6'],
    withinSeeds: 1_000,
  },
  {
    name: 'a lease that is still held is taken',
    file: CLAIM,
    code: 'return free && entry.dueAtMs !== null && entry.dueAtMs <= nowMs',
    mutation: 'return entry.dueAtMs !== null',
    breaks: ['P2'],
    withinSeeds: 500,
    smallWorld: 'key: two loops find one enqueued key; 1 crashes, 0 faults, 2 changes of order, longest times',
  },
  {
    name: 'the lease is measured from after the claim',
    file: 'engine/worker',
    code: 'this.#carry(effect, seen, askedAtMs)',
    mutation: 'this.#carry(effect, seen, clock.monotonicMs())',
    breaks: ['P3', 'P2', 'P1'],
    withinSeeds: 1_000,
  },
  {
    name: 'the deadline is not looked at before sending',
    file: CALL,
    code: 'if (terms.clock.monotonicMs() >= terms.deadlineMs)',
    mutation: 'if (false)',
    breaks: ['P3', 'P2', 'P1'],
    withinSeeds: 1_000,
  },
  {
    name: 'a call may last longer than the lease',
    file: APPLY,
    code: 'leaseForMs: event.leaseMs',
    mutation: 'leaseForMs: event.leaseMs / 4',
    breaks: ['P3', 'P2'],
    withinSeeds: 500,
  },
  {
    name: 'a repeated call is sent before its intent is committed',
    file: HOLDER,
    code: 'const seen = await this.#record(entry, started)',
    mutation:
      'void this.#record(entry, started).catch(() => null); const seen = { entry: { ...entry, attempts: entry.attempts + 1 }, nowMs: 0 }',
    breaks: ['P1', 'P2'],
    withinSeeds: 500,
  },
  {
    name: 'an expired key is used again',
    file: DECIDE,
    code: 'return nowMs + capabilities.limits.timeoutMs < entry.firstSentAtMs + key.windowMs - key.marginMs',
    mutation: 'return true',
    breaks: HARM,
    withinSeeds: 1_000,
  },
  {
    name: 'the margin of the key is forgotten',
    file: DECIDE,
    code: 'return nowMs + capabilities.limits.timeoutMs < entry.firstSentAtMs + key.windowMs - key.marginMs',
    mutation: 'return nowMs < entry.firstSentAtMs + key.windowMs',
    breaks: HARM,
    doubt: 'key',
    withinSeeds: 1_000,
  },
  {
    name: 'the window of the key counts from the last send',
    file: APPLY,
    code: '(entry.firstSentAtMs ?? nowMs)',
    mutation: 'nowMs',
    breaks: HARM,
    doubt: 'key',
    withinSeeds: 2_000,
  },
  {
    name: 'a spent key is used again',
    file: DECIDE,
    code: 'if (key === null || entry.keySpent ||',
    mutation: 'if (key === null ||',
    breaks: ['P4'],
    withinSeeds: 500,
  },
  {
    name: 'an absence is believed whenever it is asked for',
    file: DECIDE,
    code: 'absenceProves: nowMs > provesFromMs',
    mutation: 'absenceProves: true',
    breaks: HARM,
    withinSeeds: 1_000,
    smallWorld:
      'find: one worker is asked, and the loop of another ends what it leaves; 0 crashes, 2 faults, 0 changes of order, longest times',
  },
  {
    name: 'the lag of look-ups is forgotten',
    file: DECIDE,
    code: '(entry.lastDeadlineAtMs ?? nowMs) + lag.settlesWithinMs',
    mutation: '(entry.lastDeadlineAtMs ?? nowMs)',
    breaks: HARM,
    withinSeeds: 1_000,
  },
  {
    name: 'absence is counted from the first send, not from the last deadline',
    file: DECIDE,
    code: '(entry.lastDeadlineAtMs ?? nowMs) + lag.settlesWithinMs',
    mutation: '(entry.firstSentAtMs ?? nowMs) + lag.settlesWithinMs',
    breaks: HARM,
    doubt: 'find',
    withinSeeds: 1_000,
  },
  {
    name: 'a look-up that failed is taken for an absence',
    file: CALL,
    code: "return { kind: 'could_not_ask', reason: reasonOfError(error) }",
    mutation: "return { kind: 'absent' }",
    breaks: HARM,
    doubt: 'find',
    withinSeeds: 1_000,
  },
  {
    name: 'a rejection is tried again',
    file: APPLY,
    code: "state: 'failed', doubt: 'clear', dueInMs: settlementDueIn(entry), reason",
    mutation: "state: 'pending', doubt: 'clear', dueInMs: 0, reason",
    breaks: ['P6'],
    withinSeeds: 500,
  },
  {
    name: 'an unknown outcome is recorded as a failure',
    file: APPLY,
    code: "state: 'in_doubt', dueInMs, doubt: 'begin', keySpent, reason",
    mutation: "state: 'failed', dueInMs: settlementDueIn(entry), doubt: 'clear', keySpent, reason",
    breaks: HARM,
    withinSeeds: 500,
    smallWorld:
      'key: one worker is asked, and the loop of another ends what it leaves; 1 crashes, 1 faults, 0 changes of order',
  },
  {
    name: 'an error or a timeout is taken for not executed',
    file: 'protocol/classify',
    code: "{ kind: 'unknown', reason: reasonOfError(error), keySpent: false }",
    mutation: "{ kind: 'not_executed', reason: reasonOfError(error), retryAfterMs: null }",
    breaks: HARM,
    withinSeeds: 500,
  },
  {
    name: 'a repeat that was not executed clears the doubt about the first call',
    file: APPLY,
    code: 'return inDoubt(spared(entry, event), outcome.reason, event.retryInMs, entry.keySpent);',
    mutation:
      "return { ...unchanged(entry), state: 'pending', doubt: 'clear', dueInMs: event.retryInMs, reason: outcome.reason };",
    breaks: HARM,
    doubt: 'key',
    withinSeeds: 1_000,
  },
  {
    name: 'a repeat that was refused speaks for the first call too',
    file: APPLY,
    code: 'earlierDoubt && !outcome.settlesDoubt',
    mutation: 'false',
    breaks: HARM,
    doubt: 'key',
    withinSeeds: 1_000,
    fromSeed: 501,
  },
  {
    name: 'the call of a lost worker is taken for one that never was',
    file: CLAIM,
    code: "if (entry.state === 'pending')",
    mutation: "if (entry.state === 'pending' || entry.state === 'executing')",
    breaks: HARM,
    withinSeeds: 1_000,
  },
  {
    name: 'a doubt that could not be ended is forgotten',
    file: APPLY,
    code: 'dueInMs: event.dueInMs,\n                findFailures',
    mutation: 'dueInMs: null,\n                findFailures',
    breaks: ['I2'],
    withinSeeds: 500,
  },
  {
    name: "another's lease is adopted",
    file: DRIVE,
    code: 'askedAtMs !== null && seen.entry.owner === this.#terms.owner',
    mutation: "askedAtMs !== null && seen.entry.state === 'executing'",
    breaks: ['P1', 'P2', 'I6', ...HARM],
    withinSeeds: 1_000,
  },
  {
    name: 'an adopted lease counts from its adoption',
    file: DRIVE,
    code: 'this.#carry({ ...seen, askedAtMs })',
    mutation: 'this.#carry({ ...seen, askedAtMs: this.#core.context.clock.monotonicMs() })',
    breaks: ['P3', 'P2', 'P1'],
    withinSeeds: 1_000,
  },
  {
    name: 'a message that is delivered again begins anew after a rejection',
    file: JOURNAL,
    code: 'if (existing !== undefined)',
    mutation: "if (existing !== undefined && existing.state !== 'failed')",
    breaks: ['P6'],
    withinSeeds: 500,
  },
  {
    name: 'a new generation begins while the last one is in doubt',
    file: CLAIM,
    code: "return entry.state === 'parked' && entry.inDoubtSinceMs === null",
    mutation: "return entry.state === 'parked'",
    breaks: HARM,
    withinSeeds: 1_000,
  },
  {
    name: 'a parked effect is reported as rejected',
    file: 'engine/answer',
    code: "case 'failed':",
    mutation: "case 'parked': case 'failed':",
    breaks: ['T1'],
    withinSeeds: 1_000,
  },
  {
    name: 'the same key with another input gets the first one’s receipt',
    file: DRIVE,
    code: 'if (!earlier.includes(fingerprint))',
    mutation: 'if (false)',
    breaks: ['P7'],
    withinSeeds: 1_000,
  },
  {
    name: 'the settlement is marked done outside of the transaction of its handler',
    file: JOURNAL,
    code: 'await handler(tx, copy(entry))',
    mutation: 'this.#put(markSettled(entry, this.#now())); await handler(tx, copy(entry))',
    breaks: ['I5'],
    withinSeeds: 500,
  },
  {
    name: 'two workers may run one settled handler at the same time',
    file: JOURNAL,
    code: '|| this.#locks.has(id)',
    mutation: '',
    breaks: ['I5'],
    withinSeeds: 1_000,
  },
  {
    name: 'the consequence is committed before the outcome is recorded',
    file: HOLDER,
    code: 'return this.#record(entry, this.#attemptEnded(entry, end, permit));',
    mutation: `const { kind, receipt, externalId } = end.outcome
      const settled = { kind: 'succeeded', receipt, externalId }
      const consequence = kind === 'executed'
        ? this.#context.journal.transaction(async (tx) => this.#effect.settled?.(tx, input.value, settled)).catch(() => null)
        : Promise.resolve()
      return consequence.then(() => this.#record(entry, this.#attemptEnded(entry, end, permit)))`,
    breaks: ['I5'],
    withinSeeds: 500,
  },
  {
    name: 'effects of one customer do not wait for their turn',
    file: 'journal/memory/turns',
    code: "if (entry.serializeKey === null || entry.state !== 'pending')",
    mutation: 'if (true)',
    breaks: ['I7'],
    withinSeeds: 500,
    smallWorld:
      'find: two workers are asked for two keys of one customer; 0 crashes, 1 faults, 1 changes of order, longest times',
  },
  ...MUTANTS_OF_LATER,
]
