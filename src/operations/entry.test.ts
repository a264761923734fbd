import { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/support/postgres.js'
import { Counterfoil } from '../counterfoil.js'
import { ConfigurationError } from '../protocol/index.js'
import { LOST, shopOn } from './shop.fixture.js'

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

describe('how one effect stands', () => {
  it('is told by the identity that EffectInDoubt carries, by its id alone, and by its effect and key', async () => {
    const { charge, counterfoil, park } = shopOn(pool)
    const { identity, reason } = await park(charge, 'lost', LOST)
    const entry = await counterfoil.entry(identity)
    const at = expect.any(Number)
    expect(entry).toEqual({
      ...identity,
      state: 'parked',
      reason,
      receipt: null,
      externalId: null,
      forcedBy: null,
      isCompact: false,
      settlement: 'none',
      attempts: 1,
      createdAtMs: at,
      firstSentAtMs: at,
      lastDeadlineAtMs: at,
      inDoubtSinceMs: at,
      dueAtMs: null,
      updatedAtMs: at,
    })
    for (const address of [{ id: identity.id }, { effect: charge, key: 'lost' }, { effect: 'charge', key: 'lost' }]) {
      expect(await counterfoil.entry(address)).toEqual(entry)
    }
  })

  it('is told with the receipt once it is executed, and before its first call', async () => {
    const { charge, counterfoil } = shopOn(pool)
    const { id } = await counterfoil.enqueue(charge, { id: 'order-1' }, { notBefore: '1h' })
    expect(await counterfoil.entry({ id })).toMatchObject({ state: 'pending', attempts: 0, firstSentAtMs: null })
    await counterfoil.perform(charge, { id: 'order-2' })
    expect(await counterfoil.entry({ effect: charge, key: 'order-2' })).toMatchObject({
      state: 'succeeded',
      reason: null,
      receipt: { id: 'charge_order-2' },
      externalId: 'charge_order-2',
      inDoubtSinceMs: null,
    })
  })

  it('is null where there is none: an unknown key, an id of another namespace, or no id at all', async () => {
    const { charge, journal, counterfoil } = shopOn(pool)
    await counterfoil.perform(charge, { id: 'order-1' })
    expect(await counterfoil.entry({ effect: charge, key: 'order-2' })).toBeNull()
    const { id = '' } = (await counterfoil.entry({ effect: charge, key: 'order-1' })) ?? {}
    const stranger = new Counterfoil({ journal, effects: [charge], namespace: 'other' })
    for (const asked of [id, '', "'; DROP TABLE entries", id.toUpperCase()]) {
      expect(await stranger.entry({ id: asked })).toBeNull()
    }
    await expect(counterfoil.entry({ effect: 'refund', key: 'order-1' })).rejects.toThrow(ConfigurationError)
  })
})
