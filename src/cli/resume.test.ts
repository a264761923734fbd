import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { NotExecuted, OutcomeUnknown } from '../protocol/index.js'
import { openShop, type Shop } from './shop.fixture.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop(inject('postgresUrl'))
})
afterAll(() => shop.close())

async function stateOf(id: string): Promise<unknown> {
  const { rows } = await shop.pool.query('select state, reason from counterfoil.entries where key = $1', [id])
  return rows[0]
}

const BY = ['--actor', 'ada', '--reason', 'the service is back']

describe('counterfoil resume', { timeout: 60_000 }, () => {
  it('has tried again what did not happen, and settles what did', async () => {
    await shop.park('down', new NotExecuted('unavailable', 'It is down.'))
    await shop.park('found', new OutcomeUnknown('timeout', 'There was no answer.'))
    const { code, out, error } = await shop.counterfoil('resume', './shop.js', 'charge', 'down', 'found', ...BY)
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toBe(
      'charge down: resumed. It did not happen, and is made by the next process that runs start().\n' +
        'charge found: succeeded. The service was asked, and knew.\n',
    )
    expect(await stateOf('down')).toMatchObject({
      state: 'pending',
      reason: { code: 'resumed', detail: { actor: 'ada' } },
    })
    expect(await stateOf('found')).toMatchObject({ state: 'succeeded' })
  })

  it('ends with 1 where one may still appear, and leaves it parked', async () => {
    await shop.park('early', new OutcomeUnknown('timeout', 'There was no answer.'))
    const { code, out } = await shop.counterfoil('resume', './shop.js', 'charge', 'early', 'unknown', ...BY)
    expect(code).toBe(1)
    expect(out).toContain('charge early: unchanged (may_still_appear).')
    expect(out).toContain('charge unknown: unchanged (no_such_effect).')
    expect(await stateOf('early')).toMatchObject({ state: 'parked' })
  })

  it('ends with 2 where it has no reason, no such effect, or no Counterfoil', async () => {
    expect((await shop.counterfoil('resume', './shop.js', 'charge', 'any')).code).toBe(2)
    expect(await shop.counterfoil('resume', './shop.js', 'refund', 'any', ...BY)).toMatchObject({
      code: 2,
      error: expect.stringContaining('The effect "refund" is not among the effects'),
    })
    expect(await shop.counterfoil('resume', './other.js', 'charge', 'any', ...BY)).toMatchObject({
      code: 2,
      error: expect.stringContaining('export default new Counterfoil'),
    })
  })

  it('asks for --actor where the system has no name for its user, and for help needs none', async () => {
    const [, , ...reason] = BY
    const { code, error } = await shop.namelessly('resume', './shop.js', 'charge', 'any', ...reason)
    expect(code).toBe(2)
    expect(error).toMatch(/no name for its user\. Say who acts: --actor/)
    expect(await shop.namelessly('resume', './shop.js', 'charge', 'unknown', ...BY)).toMatchObject({
      code: 1,
      error: '',
    })
    for (const args of [['--help'], ['resume', '--help'], ['verify', '--help']]) {
      expect(await shop.namelessly(...args)).toMatchObject({ code: 0, error: '' })
    }
  })
})
