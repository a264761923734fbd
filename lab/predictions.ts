import type { VerdictClass } from './verdict.js'

/** What theory says of a cell: how it ends, and where it does not end well, why. */
export interface Prediction {
  /** More than one where timing decides, and each is within the promise. */
  readonly expect: readonly VerdictClass[]
  readonly why: string
}

type FaultName =
  | 'none'
  | 'duplicate-delivery'
  | 'two-messages'
  | 'response-lost'
  | 'late-commit'
  | 'killed'
  | 'pruned-key'
  | 'lagging-lookup'
  | 'frozen'
  | 'database-restart'

const CLEAN: Prediction = { expect: ['clean'], why: '' }

function twice(why: string): Prediction {
  return { expect: ['charged-twice'], why }
}

function repaired(why: string): Prediction {
  return { expect: ['repaired'], why }
}

function parked(why: string): Prediction {
  return { expect: ['parked'], why }
}

/** Every cell, so that nobody can add a strategy or a fault without saying what should come of it. */
const PREDICTIONS: Readonly<Record<string, Readonly<Record<FaultName, Prediction>>>> = {
  'naive/none': {
    none: CLEAN,
    'duplicate-delivery': twice('Both deliveries read the order before either had marked it paid.'),
    'two-messages': twice('Both handlers read the order before either had marked it paid.'),
    'response-lost': twice('The order was still open when the message came again, so it was charged again.'),
    'late-commit': twice('The time-out was taken for a "no"; then both calls took the money.'),
    killed: twice('The mark died with the worker; the next one saw an open order.'),
    'pruned-key': twice('The mark died with the worker; the next one saw an open order.'),
    'lagging-lookup': twice('It asks nobody: the order was open, so it was charged again.'),
    frozen: twice('It had read the order before it froze, and charged when it woke.'),
    'database-restart': twice('The charge was made and the mark could not be written.'),
  },
  'inbox/none': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': twice('Two messages have two ids; the inbox knows messages, not payments.'),
    'response-lost': twice('The error rolled the message id back; the charge stayed.'),
    'late-commit': twice('The time-out rolled the message id back; then both calls took the money.'),
    killed: twice('The transaction died with the worker, the charge in the middle of it did not.'),
    'pruned-key': twice('The transaction died with the worker, the charge in the middle of it did not.'),
    'lagging-lookup': twice('The error rolled the message id back; the charge stayed.'),
    frozen: CLEAN,
    'database-restart': twice('The restart rolled back what the database knew, not what the gateway did.'),
  },
  'idempotency-key/keys': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': CLEAN,
    'late-commit': CLEAN,
    killed: CLEAN,
    'pruned-key': twice('The gateway had forgotten the key, so the retry was a new charge.'),
    'lagging-lookup': CLEAN,
    frozen: CLEAN,
    'database-restart': CLEAN,
  },
  'pre-check/lookup': {
    none: CLEAN,
    'duplicate-delivery': twice('Both looked before either had charged; both heard "no".'),
    'two-messages': twice('Both looked before either had charged; both heard "no".'),
    'response-lost': CLEAN,
    'late-commit': twice('The look-up came before the late commit, and "not yet" was taken for "no".'),
    killed: CLEAN,
    'pruned-key': CLEAN,
    'lagging-lookup': twice('The search did not show the payment yet, and "not yet" was taken for "no".'),
    frozen: twice('It had looked before it froze, and charged when it woke.'),
    'database-restart': CLEAN,
  },
  'row-lock/none': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': twice('The lock was released by the error; the next holder saw an open order.'),
    'late-commit': twice('The lock ended with the time-out, the call at the gateway did not.'),
    killed: twice('The lock died with the worker; the next holder cannot see what it had charged.'),
    'pruned-key': twice('The lock died with the worker; the next holder cannot see what it had charged.'),
    'lagging-lookup': twice('The lock was released by the error; the next holder saw an open order.'),
    frozen: CLEAN,
    'database-restart': twice('The restart freed the locks of calls that were under way.'),
  },
  'redis-lock/none': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': twice('The lock was released by the error; the next holder saw an open order.'),
    'late-commit': twice('The lock ended with the time-out, the call at the gateway did not.'),
    killed: twice('The lock ran out, and says nothing of what its dead holder had charged.'),
    'pruned-key': twice('The lock ran out, and says nothing of what its dead holder had charged.'),
    'lagging-lookup': twice('The lock was released by the error; the next holder saw an open order.'),
    frozen: twice('The lock ran out while its holder slept; it woke and charged behind the next.'),
    'database-restart': twice('The charge was made and the mark could not be written; the lock knows nothing of it.'),
  },
  'outbox/none': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': twice('The relay repeats until it has seen an answer, and this one was lost.'),
    'late-commit': twice('The relay repeated after the time-out; then both calls took the money.'),
    killed: twice("The dead relay's claim ran out, and the next relay called again."),
    'pruned-key': twice("The dead relay's claim ran out, and the next relay called again."),
    'lagging-lookup': twice('The relay repeats until it has seen an answer, and this one was lost.'),
    frozen: twice('Its claim ran out while it slept; another relay called, then it woke and called too.'),
    'database-restart': twice('The relay had its answer and could not write it down, so it called again.'),
  },
  'outbox-audit/none': {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': repaired('Charged twice by the relay, and refunded only when the audit ran.'),
    'late-commit': repaired('Charged twice by the relay, and refunded only when the audit ran.'),
    killed: repaired('Charged twice by two relays, and refunded only when the audit ran.'),
    'pruned-key': repaired('Charged twice by two relays, and refunded only when the audit ran.'),
    'lagging-lookup': repaired('Charged twice by the relay, and refunded only when the audit ran.'),
    frozen: repaired('Charged twice by two relays, and refunded only when the audit ran.'),
    'database-restart': repaired('Charged twice by the relay, and refunded only when the audit ran.'),
  },
  'counterfoil/keys': allClean(),
  'counterfoil/lookup': allClean(),
  'counterfoil/none': {
    ...allClean(),
    'response-lost': parked('This gateway can be asked nothing: it may have happened, so it is not repeated.'),
    'late-commit': parked('This gateway can be asked nothing: it may still happen, so it is not repeated.'),
    killed: parked('A lost worker may have charged, and this gateway cannot be asked.'),
    'pruned-key': parked('A lost worker may have charged, and this gateway cannot be asked.'),
    'lagging-lookup': parked('This gateway can be asked nothing: it may have happened, so it is not repeated.'),
    frozen: parked('A worker out of reach may have charged, and this gateway cannot be asked.'),
    'database-restart': {
      expect: ['clean', 'parked'],
      why: 'The answer came after its lease had run out, and this gateway cannot be asked for it again.',
    },
  },
  'counterfoil/audit/none': allClean(),
  'counterfoil/outbox/lookup': allClean(),
  'counterfoil/inbox/keys': allClean(),
  'counterfoil/lease/keys': allClean(),
  'counterfoil/redis-lease/keys': allClean(),
}

function allClean(): Record<FaultName, Prediction> {
  return {
    none: CLEAN,
    'duplicate-delivery': CLEAN,
    'two-messages': CLEAN,
    'response-lost': CLEAN,
    'late-commit': CLEAN,
    killed: CLEAN,
    'pruned-key': CLEAN,
    'lagging-lookup': CLEAN,
    frozen: CLEAN,
    'database-restart': CLEAN,
  }
}

/**
 * What theory says of a cell.
 *
 * @throws {Error} when it says nothing: whoever adds a strategy or a fault says first what should come of it.
 */
export function predict(strategy: string, gateway: string, fault: string): Prediction {
  const row = PREDICTIONS[`${strategy}/${gateway}`]
  const prediction = row === undefined ? undefined : Object.entries(row).find(([name]) => name === fault)?.[1]
  if (prediction === undefined) throw new Error(`There is no prediction for ${strategy}/${gateway} under ${fault}.`)
  return prediction
}

/** Why a cell ended as it did, in a line; empty where there is nothing to explain. */
export function explain(prediction: Prediction, observed: VerdictClass): string {
  if (observed === 'clean') {
    return prediction.expect.includes('clean') ? '' : `Theory expects ${named(prediction)} here; it did not show.`
  }
  return prediction.expect.includes(observed)
    ? prediction.why
    : `Theory expects ${named(prediction)} here and this is ${observed}: look into it.`
}

function named(prediction: Prediction): string {
  return prediction.expect.join(' or ')
}
