import type { Strategy } from '../strategy.js'
import { counterfoilOnKeys, counterfoilOnLookup, counterfoilOnNothing } from './counterfoil.js'
import { counterfoilAudit } from './counterfoil-audit.js'
import { counterfoilLease, counterfoilRedisLease } from './counterfoil-leases.js'
import { counterfoilInbox, counterfoilOutbox } from './counterfoil-outbox.js'
import { idempotencyKey } from './idempotency-key.js'
import { inbox } from './inbox.js'
import { naive } from './naive.js'
import { outbox } from './outbox.js'
import { outboxAudit } from './outbox-audit.js'
import { preCheck } from './pre-check.js'
import { redisLock } from './redis-lock.js'
import { rowLock } from './row-lock.js'

/** All strategies, in the order of the table's rows. A name may stand for several rows, one per level of the gateway. */
export const STRATEGIES: readonly Strategy[] = [
  naive,
  inbox,
  idempotencyKey,
  preCheck,
  rowLock,
  redisLock,
  outbox,
  outboxAudit,
  counterfoilOnKeys,
  counterfoilOnLookup,
  counterfoilOnNothing,
  counterfoilAudit,
  counterfoilOutbox,
  counterfoilInbox,
  counterfoilLease,
  counterfoilRedisLease,
]

/** @throws {Error} when there is none. */
export function findStrategy(name: string, gatewayLevel: string): Strategy {
  const found = STRATEGIES.find((strategy) => strategy.name === name && strategy.gateway === gatewayLevel)
  if (found === undefined) throw new Error(`There is no strategy ${name} for a gateway of the level ${gatewayLevel}.`)
  return found
}
