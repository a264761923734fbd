import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.js'
import { connectionsTerminated, databaseBlackhole, databaseRestarted, diskFull } from './faults/database.js'
import { gatewayDown, gatewayHangs, gatewayUnavailable, REQUEST_FAULTS, rateLimited } from './faults/gateway.js'
import { clockSkewed, killed } from './faults/processes.js'
import { redisFlushed } from './faults/redis.js'
import { runChaos } from './run.js'
import type { Scheduled } from './schedule.js'

const ORDERS = 300

/** Each fault strikes when so many orders are settled, so a slow machine sees the same ones as a quick one. */
const SCHEDULE: readonly Scheduled[] = [
  { fault: killed, when: { atShares: [0.05, 0.4, 0.6] } },
  { fault: databaseBlackhole, when: { atShares: [0.1] } },
  { fault: connectionsTerminated, when: { atShares: [0.15, 0.5] } },
  { fault: redisFlushed, when: { atShares: [0.2] } },
  { fault: clockSkewed, when: { atShares: [0.25] } },
  { fault: databaseRestarted, when: { atShares: [0.3] } },
  { fault: rateLimited, when: { atShares: [0.35] } },
  { fault: gatewayDown, when: { atShares: [0.55] } },
  { fault: gatewayUnavailable, when: { atShares: [0.45] } },
  { fault: gatewayHangs, when: { atShares: [0.75] } },
  { fault: diskFull, when: { atShares: [0.65] } },
]

describe('chaos', () => {
  it('charges every order once, settles it once and keeps each customer in order, whatever is killed meanwhile', async () => {
    const result = await runChaos(
      {
        minutes: 2,
        orders: ORDERS,
        customers: 60,
        seed: 7,
        workers: 3,
        lease: 'redis',
        schedule: SCHEDULE,
        requestFaults: REQUEST_FAULTS,
        // A few at a time: then whatever strikes finds effects under way.
        backlog: 20,
        signal: new AbortController().signal,
      },
      () => undefined,
    )
    expect(result.violations).toEqual([])
    expect(result).toMatchObject({ chargedTwice: 0, lost: 0, parked: 0 })
    expect(result.effects).toBeGreaterThan(ORDERS)
    for (const [fault, why] of Object.entries(result.notInjected)) {
      // A disk can be mounted by few, and by no container of a CI that is not given the right.
      if (process.env.CI === 'true' && fault !== diskFull.name)
        throw new Error(`${fault}: ${why} With CI=true nothing may be skipped.`)
      console.warn(`NOT TESTED HERE: chaos with ${fault}. ${why}`)
    }
    const struck = Object.fromEntries(
      SCHEDULE.map(({ fault, when }) => [fault.name, 'atShares' in when ? when.atShares.length : 0]),
    )
    const expected = { ...struck, ...Object.fromEntries(Object.keys(result.notInjected).map((fault) => [fault, 0])) }
    expect(result.faults).toMatchObject(expected)
    expect(result.faults['request: lose_response_after_commit']).toBeGreaterThan(0)
    expect(result.interrupted).toBeGreaterThan(0)
  }, 240_000)

  it('refuses a fault and a number that it does not know', () => {
    expect(parseArguments(['--fault', 'earthquake'])).toMatchObject({ kind: 'say', exitCode: 2 })
    expect(parseArguments(['--workers', '0'])).toMatchObject({ kind: 'say', exitCode: 2 })
    expect(parseArguments(['--minutes', '3', '--seed', '9'])).toMatchObject({
      kind: 'run',
      options: { plan: { minutes: 3, seed: 9 } },
    })
  })
})
