import { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { ConfigurationError, EffectInDoubt } from '../protocol/index.js'
import type { ParkedEffect } from './index.js'
import { DOWN, LOST, shopOn } from './shop.fixture.js'

const BY = { actor: 'ada', reason: 'the service is back' }

let database: TestDatabase
let pool: Pool
beforeEach(async () => {
  database = await testDatabase()
  pool = new Pool({ connectionString: database.connectionString, max: 4 })
})
afterEach(async () => {
  await pool.end()
  await database.drop()
})

const keysOf = (parked: readonly ParkedEffect[]): string[] => parked.map(({ key }) => key)

describe('the parked effects', () => {
  it('are all told, the longest parked first, and whether each may have happened', async () => {
    const { charge, mail, counterfoil, park } = shopOn(pool)
    expect(await counterfoil.parked()).toEqual([])
    const { identity: lost } = await park(charge, 'lost', LOST)
    const { identity: down, reason } = await park(mail, 'down', DOWN)
    await counterfoil.perform(charge, { id: 'well' })
    const at = expect.any(Number)
    const sent = { attempts: 1, firstSentAtMs: at, lastDeadlineAtMs: at, parkedAtMs: at }
    expect(await counterfoil.parked()).toEqual([
      { ...lost, ...sent, reason: expect.objectContaining({ code: 'no_way_to_know' }), inDoubtSinceMs: at },
      { ...down, ...sent, reason, inDoubtSinceMs: null },
    ])
    expect(reason?.code).toBe('attempts_exhausted')
  })

  it('are told of one effect, by its definition or its name, and no process tells of effects that it does not know', async () => {
    const { charge, mail, journal, counterfoil, park } = shopOn(pool)
    await park(charge, 'one', LOST)
    await park(mail, 'two', LOST)
    expect(keysOf(await counterfoil.parked({ effect: charge }))).toEqual(['one'])
    expect(keysOf(await counterfoil.parked({ effect: 'mail' }))).toEqual(['two'])
    const mailer = new Counterfoil({ journal, effects: [mail] })
    expect(keysOf(await mailer.parked())).toEqual(['two'])
    await expect(mailer.parked({ effect: 'charge' })).rejects.toThrow(ConfigurationError)
    expect(await new Counterfoil({ journal, effects: [charge, mail], namespace: 'other' }).parked()).toEqual([])
  })

  it('are told page by page, each once', async () => {
    const { charge, counterfoil, park } = shopOn(pool)
    const ids = ['a', 'b', 'c', 'd', 'e']
    for (const id of ids) await park(charge, id, DOWN)
    const told: ParkedEffect[] = []
    for (let page = await counterfoil.parked({ limit: 2 }); page.length > 0; ) {
      told.push(...page)
      page = await counterfoil.parked({ limit: 2, after: page.at(-1) })
    }
    expect(keysOf(told)).toEqual(ids)
    expect(await counterfoil.parked({ limit: 0 })).toEqual([])
  })

  it('are told no more once they are resumed, and undoings are told by the name that resumes them', async () => {
    const { charge, counterfoil, park, fails } = shopOn(pool)
    await park(charge, 'order-1', DOWN)
    fails.clear()
    const [parked] = await counterfoil.parked()
    await counterfoil.resume(parked?.effect ?? '', parked?.key ?? '', BY)
    expect(await counterfoil.parked()).toEqual([])
    await counterfoil.perform(charge, { id: 'order-1' })
    await expect(counterfoil.compensate(charge, 'order-1', { reason: 'returned' })).rejects.toThrow(EffectInDoubt)
    const [undoing] = await counterfoil.parked()
    expect(undoing).toMatchObject({ effect: 'charge/undo', key: 'charge_order-1' })
    expect(await counterfoil.parked({ effect: charge })).toEqual([])
    expect(await counterfoil.resume(undoing?.effect ?? '', undoing?.key ?? '', BY)).toMatchObject({ kind: 'resumed' })
  })
})
