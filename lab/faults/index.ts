import type { Fault } from '../fault.js'
import { databaseRestart } from './database-restart.js'
import { duplicateDelivery } from './duplicate-delivery.js'
import { frozen } from './frozen.js'
import { killed } from './killed.js'
import { laggingLookup } from './lagging-lookup.js'
import { lateCommit } from './late-commit.js'
import { none } from './none.js'
import { prunedKey } from './pruned-key.js'
import { responseLost } from './response-lost.js'
import { twoMessages } from './two-messages.js'

/** All faults, in the order of the table's columns. */
export const FAULTS: readonly Fault[] = [
  none,
  duplicateDelivery,
  twoMessages,
  responseLost,
  lateCommit,
  killed,
  prunedKey,
  laggingLookup,
  frozen,
  databaseRestart,
]
