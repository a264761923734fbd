import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultRule, Fault as GatewayFault } from 'counterfoil/testing'
import type { Fault } from '../fault.js'
import { LATE_COMMIT_MS, OUTAGE_MS } from '../timing.js'
import type { World } from '../world.js'

export const gatewayDown: Fault = {
  name: 'gateway-down',
  what: 'the gateway refuses connections for a while',
  everyMs: 12_000,
  async strike(world) {
    await world.gateway.control.refuseConnections()
    await sleep(OUTAGE_MS)
    await world.gateway.control.acceptConnections()
  },
}

export const gatewayUnavailable: Fault = {
  name: 'gateway-unavailable',
  what: 'the gateway answers everything with 503 for a while',
  everyMs: 14_000,
  strike: (world) => outage(world, { kind: 'unavailable' }),
}

export const gatewayHangs: Fault = {
  name: 'gateway-hangs',
  what: 'the gateway takes every request and answers none for a while',
  everyMs: 16_000,
  strike: (world) => outage(world, { kind: 'hang' }),
}

async function outage({ gateway }: World, fault: GatewayFault): Promise<void> {
  await gateway.control.configure({ outage: fault })
  await sleep(OUTAGE_MS)
  await gateway.control.configure({ outage: null })
}

export const rateLimited: Fault = {
  name: 'rate-limited',
  what: 'the gateway answers 429 with Retry-After: 1, a few times',
  everyMs: 8_000,
  async strike(world) {
    await world.gateway.control.fault({ method: 'POST', times: 3, fault: { kind: 'rate_limit', retryAfterSeconds: 1 } })
  },
}

/** What goes wrong with single requests, as long as faults strike: the seed decides with which. */
export const REQUEST_FAULTS: readonly FaultRule[] = [
  { method: 'POST', probability: 0.01, fault: { kind: 'lose_response_after_commit' } },
  { method: 'POST', probability: 0.01, fault: { kind: 'refuse_connection' } },
  { method: 'POST', probability: 0.004, fault: { kind: '500_after_commit' } },
  { method: 'POST', probability: 0.002, fault: { kind: 'hang' } },
  {
    method: 'POST',
    probability: 0.004,
    fault: { kind: 'commit_after_client_gave_up', lateMs: LATE_COMMIT_MS },
  },
  { method: 'POST', probability: 0.02, fault: { kind: 'delay', beforeCommitMs: 200, afterCommitMs: 200 } },
  { method: 'GET', probability: 0.05, fault: { kind: 'refuse_connection' } },
]
