import {
  EffectCompacted,
  EffectCompensated,
  EffectInDoubt,
  EffectRejected,
  type Entry,
  InvalidReceiptError,
} from '../protocol/index.js'
import { identityOf } from './context.js'
import type { RuntimeEffect } from './effect.js'
import { describeIssues } from './prepare.js'

/** What a caller of `perform` is answered by an entry: its receipt, at once or where a schema has to be asked, or an error. */
export function answerOf<Tx>(effect: RuntimeEffect<Tx>, entry: Entry): unknown {
  switch (entry.state) {
    case 'succeeded':
      // Never its null for a receipt: that would be an answer of the service which it has not given.
      if (entry.isCompact) throw new EffectCompacted(identityOf(entry), entry.externalId)
      return effect.receipt === undefined ? entry.receipt : readReceipt(effect, entry)
    case 'failed':
      throw new EffectRejected(
        identityOf(entry),
        entry.reason ?? { code: 'rejected', message: 'the service refused it' },
        { forcedBy: entry.forcedBy },
      )
    case 'compensating':
    case 'compensated':
      throw new EffectCompensated(identityOf(entry), entry.state, entry.receipt)
    default:
      throw new EffectInDoubt(identityOf(entry), entry.state, entry.reason)
  }
}

async function readReceipt<Tx>(effect: RuntimeEffect<Tx>, entry: Entry): Promise<unknown> {
  const result = await effect.receipt?.['~standard'].validate(entry.receipt)
  if (result === undefined) return entry.receipt
  if (result.issues !== undefined) {
    throw new InvalidReceiptError(identityOf(entry), entry.receipt, describeIssues(result.issues))
  }
  return result.value
}
