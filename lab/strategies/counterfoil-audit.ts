import { setTimeout as sleep } from 'node:timers/promises'
import type { Services, Strategy } from '../strategy.js'
import { SETTLES_WITHIN_MS } from '../timing.js'
import { startPerforming } from './counterfoil.js'
import { chargeOrder, startCounterfoil } from './counterfoil-engine.js'
import { listingGateway } from './counterfoil-providers.js'

/** How often the audit is repeated while orders are parked: what is still moving is no finding yet. */
const AUDIT_AGAIN_MS = 1_000

/** Longer than anything may still move. What is parked then stays so, and the checker counts it. */
const AUDITS_END_MS = 5 * SETTLES_WITHIN_MS

/** Past any of these it would refund nothing, and ask. */
const CAPS = { maxCount: 3, maxShare: 0.1, maxAmount: { eur: 50_000 } }

/**
 * On a gateway of which nothing can be asked but its list: a doubt is parked, and the audit ends it. What the list shows
 * has happened, and settles the entry; what it must show and does not has not happened, and is tried again.
 */
export const counterfoilAudit: Strategy = {
  name: 'counterfoil/audit',
  gateway: 'none',
  idea: "parks a doubt, and a nightly audit ends it by the gateway's list: it happened, or it may be tried again",
  start: (services) => startPerforming(services, listingGateway(services)),
  audit,
}

async function audit(services: Services): Promise<void> {
  const effect = chargeOrder(listingGateway(services))
  // Its loop makes what the audit finds absent, and has the shop write down what it finds present.
  const { counterfoil, stop } = await startCounterfoil(services, effect)
  const untilMs = performance.now() + AUDITS_END_MS
  for (;;) {
    await counterfoil.reconcile(effect, {
      since: '1h',
      repair: { auto: CAPS },
      absent: 'retry',
      settlesWithin: SETTLES_WITHIN_MS,
      // One machine; but the gateway tells times in whole seconds.
      clockSkew: '1s',
    })
    if (!(await isAnyUnknown(services)) || performance.now() > untilMs) break
    await sleep(AUDIT_AGAIN_MS)
  }
  await stop()
}

async function isAnyUnknown({ pool }: Services): Promise<boolean> {
  const { rows } = await pool.query(`select 1 from orders where status in ('in_doubt', 'parked') limit 1`)
  return rows.length > 0
}
