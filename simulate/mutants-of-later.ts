import type { Mutant } from './mutant.js'

const RETENTION = 'protocol/retention'

/** Bugs of what comes after an effect: its undoing, and its ageing; and of what is to come at its time. */
export const MUTANTS_OF_LATER: readonly Mutant[] = [
  {
    name: 'what is enqueued in a transaction stays though that is undone',
    file: 'journal/memory/journal',
    code: 'tx.onCommit(() => this.#put(entry))',
    mutation: 'this.#put(entry)',
    breaks: ['I10'],
    withinSeeds: 500,
    smallWorld: 'key: two loops find one enqueued key; 0 crashes, 2 faults, 0 changes of order, longest times',
  },
  {
    name: 'the entry of an undoing is written beside the transaction of its note',
    file: 'engine/compensate',
    code: 'await journal.enqueue(tx,',
    mutation: 'await journal.enqueue(null,',
    breaks: ['I10'],
    withinSeeds: 500,
  },
  {
    name: 'an undoing is noted beside the transaction of its entry',
    file: 'journal/memory/compensations',
    code: 'tx.onCommit(() => {\n            this.#undone.set(name, withReserved(known, admission));',
    mutation:
      'void Promise.resolve().then(() => {\n            this.#undone.set(name, withReserved(known, admission));',
    breaks: ['I2', 'I8'],
    withinSeeds: 1_000,
  },
  {
    name: 'a refund is keyed by its attempt',
    file: 'engine/undo-effect',
    code: 'cancel.execute(requestOf(input), call)',
    mutation:
      'cancel.execute(requestOf(input), Object.assign(Object.create(call), { reference: call.reference + call.attempt }))',
    breaks: ['P1', 'I8'],
    withinSeeds: 500,
  },
  {
    name: 'an operation is undone once for each that asks for it',
    file: 'protocol/compensation',
    code: "if (sofar.whole !== 'none')",
    mutation: 'if (false)',
    breaks: ['I8'],
    withinSeeds: 500,
    smallWorld:
      'key: one key is done, and two workers are asked to undo it at once; 1 crashes, 0 faults, 2 changes of order, longest times',
  },
  {
    name: 'the end of an undoing is not noted with its entry',
    file: 'engine/undo-effect',
    code: 'return journal.compensations.end(tx, undoId, endOf(outcome))',
    mutation: 'return Promise.resolve()',
    breaks: ['I2', 'I8'],
    withinSeeds: 500,
  },
  {
    name: 'a refund that was refused counts as made',
    file: 'engine/undo-effect',
    code: 'return { undone: false,',
    mutation: 'return { undone: true,',
    breaks: ['I8'],
    withinSeeds: 1_000,
  },
  {
    name: 'what is being undone becomes compact',
    file: RETENTION,
    code: "entry.state !== 'succeeded' && entry.state !== 'failed' && entry.state !== 'compensated'",
    mutation: 'false',
    breaks: ['I9'],
    withinSeeds: 3_000,
  },
  {
    name: 'what a dead handler still has to be told becomes compact',
    file: RETENTION,
    code: "entry.settlement === 'none' || entry.settlement === 'done'",
    mutation: 'true',
    breaks: ['I9'],
    withinSeeds: 2_000,
  },
  {
    name: 'entries become compact before they are old',
    file: RETENTION,
    code: 'entry.updatedAtMs <= nowMs - ageMs',
    mutation: 'true',
    breaks: ['I9'],
    withinSeeds: 500,
  },
  {
    name: 'what is old enough to be compact is purged',
    file: 'journal/memory/retention',
    code: 'isOlderThan(entry, purgeAfterMs, nowMs)',
    mutation: 'isOlderThan(entry, compactAfterMs, nowMs)',
    breaks: ['P6'],
    withinSeeds: 500,
  },
  {
    name: 'a duplicate of what is compact gets null for its receipt',
    file: 'engine/answer',
    code: 'if (entry.isCompact)',
    mutation: 'if (false)',
    breaks: ['T1'],
    withinSeeds: 500,
  },
  {
    name: 'what is compact is undone without its receipt',
    file: 'protocol/compensation',
    code: 'if (!entry.isCompact)',
    mutation: 'if (true)',
    breaks: ['I9'],
    withinSeeds: 1_000,
  },
  {
    name: "a wait is counted by the worker's own wall clock",
    file: 'engine/counterfoil',
    code: 'const own = tied(journal, options)',
    mutation: `const own = tied(journal, typeof options.notBefore === 'number'
      ? { ...options, notBefore: new Date(this.#core.context.clock.wallMs() + options.notBefore) } : options)`,
    breaks: ['L2'],
    withinSeeds: 1_000,
  },
]
