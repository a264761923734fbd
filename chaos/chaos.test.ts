import { describe, expect, it } from 'vitest'
import { parseArguments } from './arguments.js'
import {
  connectionsTerminated,
  databaseBlackhole,
  databaseCut,
  databaseRestarted,
  databaseSlow,
  diskFull,
} from './faults/database.js'
import { gatewayDown, gatewayHangs, gatewayUnavailable, REQUEST_FAULTS, rateLimited } from './faults/gateway.js'
import { FAULTS } from './faults/index.js'
import { clockSkewed, deployed, killed, stopped } from './faults/processes.js'
import { redisFlushed, redisPartitioned, redisRestarted } from './faults/redis.js'
import { toJson } from './report.js'
import { runChaos } from './run.js'
import type { Scheduled } from './schedule.js'

const ORDERS = 160

/** Each fault strikes when so many orders are settled, so a slow machine sees the same ones as a quick one. */
const WORKERS_AND_LEASES: readonly Scheduled[] = [
  { fault: killed, when: { atShares: [0.05, 0.4, 0.65] } },
  { fault: stopped, when: { atShares: [0.1, 0.5] } },
  { fault: redisFlushed, when: { atShares: [0.2] } },
  { fault: clockSkewed, when: { atShares: [0.25] } },
  { fault: rateLimited, when: { atShares: [0.3] } },
  { fault: deployed, when: { atShares: [0.35] } },
  { fault: redisPartitioned, when: { atShares: [0.45] } },
  { fault: redisRestarted, when: { atShares: [0.55] } },
  { fault: gatewayUnavailable, when: { atShares: [0.6] } },
]

const DATABASE_AND_SERVICE: readonly Scheduled[] = [
  { fault: killed, when: { atShares: [0.05, 0.5] } },
  { fault: databaseBlackhole, when: { atShares: [0.1] } },
  { fault: connectionsTerminated, when: { atShares: [0.15, 0.45] } },
  { fault: databaseSlow, when: { atShares: [0.2] } },
  { fault: databaseRestarted, when: { atShares: [0.3] } },
  { fault: gatewayDown, when: { atShares: [0.35] } },
  { fault: databaseCut, when: { atShares: [0.4] } },
  { fault: diskFull, when: { atShares: [0.55] } },
  { fault: gatewayHangs, when: { atShares: [0.65] } },
]

const RUNS = [
  ['of workers and leases is broken', WORKERS_AND_LEASES],
  ['of the database and the service is broken', DATABASE_AND_SERVICE],
] as const

describe('chaos', () => {
  it('has every fault in one of the short runs', () => {
    const struck = RUNS.flatMap(([, schedule]) => schedule.map(({ fault }) => fault.name))
    expect([...new Set(struck)].sort()).toEqual(FAULTS.map(({ name }) => name).sort())
  })

  it.each(RUNS)(
    'charges every order once, settles it once and keeps each customer in order, whatever %s',
    async (_, schedule) => {
      const result = await runChaos(
        {
          minutes: 2,
          orders: ORDERS,
          customers: 40,
          seed: 7,
          workers: 3,
          lease: 'redis',
          schedule,
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
      expect(result.putOff).toBeGreaterThan(0)
      for (const [fault, why] of Object.entries(result.notInjected)) {
        // A disk can be mounted by few, and by no container of a CI that is not given the right.
        if (process.env.CI === 'true' && fault !== diskFull.name)
          throw new Error(`${fault}: ${why} With CI=true nothing may be skipped.`)
        console.warn(`NOT TESTED HERE: chaos with ${fault}. ${why}`)
      }
      const struck = Object.fromEntries(
        schedule.map(({ fault, when }) => [fault.name, 'atShares' in when ? when.atShares.length : 0]),
      )
      const expected = { ...struck, ...Object.fromEntries(Object.keys(result.notInjected).map((fault) => [fault, 0])) }
      expect(result.faults).toMatchObject(expected)
      expect(result.interrupted).toBeGreaterThan(0)
      expect(Object.keys(JSON.parse(toJson(result)) as object)).toEqual([
        ...[
          'minutes',
          'effects',
          'charges',
          'chargedTwice',
          'lost',
          'parked',
          'putOff',
          'faults',
          'recoveryMs',
          'violations',
        ],
      ])
    },
    240_000,
  )

  it('refuses a fault and a number that it does not know', () => {
    expect(parseArguments(['--fault', 'earthquake'])).toMatchObject({ kind: 'say', exitCode: 2 })
    expect(parseArguments(['--workers', '0'])).toMatchObject({ kind: 'say', exitCode: 2 })
    expect(parseArguments(['--minutes', '3', '--seed', '9'])).toMatchObject({
      kind: 'run',
      options: { plan: { minutes: 3, seed: 9 } },
    })
  })
})
