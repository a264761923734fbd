import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { openShop, type Shop } from './shop.fixture.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop(inject('postgresUrl'))
})
afterAll(() => shop.close())

async function entryOf(id: string): Promise<unknown> {
  const columns = 'state, receipt, external_id, forced_by'
  const { rows } = await shop.pool.query(`select ${columns} from counterfoil.entries where key = $1`, [id])
  return rows[0]
}

const BY = ['--actor', 'ada', '--reason', 'I looked there']
const MARK = 'ada: I looked there'

describe('counterfoil resolve', { timeout: 60_000 }, () => {
  it('ends a doubt as its person says, and marks it so', async () => {
    await shop.parkBlindly('yes')
    await shop.parkBlindly('no')
    const receipt = ['--receipt', '{"id":"ch_9"}', '--json']
    const yes = await shop.counterfoil('resolve', './shop.js', 'book', 'yes', '--happened', ...receipt, ...BY)
    expect(yes).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(yes.out)).toEqual({
      effect: 'book',
      key: 'yes',
      kind: 'forced',
      state: 'succeeded',
      forcedBy: MARK,
    })
    const stands = { state: 'succeeded', receipt: { id: 'ch_9' }, external_id: 'ch_9', forced_by: MARK }
    expect(await entryOf('yes')).toEqual(stands)
    const no = await shop.counterfoil('resolve', './shop.js', 'book', 'no', '--did-not-happen', ...BY)
    expect(no).toEqual({ code: 0, error: '', out: `book no: failed, by hand. It stays marked: ${MARK}\n` })
    expect(await entryOf('no')).toMatchObject({ state: 'failed', forced_by: MARK })
    const opposite = await shop.counterfoil('resolve', './shop.js', 'book', 'yes', '--did-not-happen', ...BY)
    expect(opposite).toMatchObject({ code: 1, out: expect.stringContaining('book yes: unchanged (not_parked).') })
    expect(await entryOf('yes')).toEqual(stands)
  })

  it('ends with 2, and does nothing, where it is not told what is to be known', async () => {
    await shop.parkBlindly('unsaid')
    const about = ['resolve', './shop.js', 'book', 'unsaid']
    expect((await shop.counterfoil(...about, '--did-not-happen')).code).toBe(2)
    const said: [readonly string[], string][] = [
      [[], 'either --happened or --did-not-happen'],
      [['--happened', '--did-not-happen'], 'either --happened or --did-not-happen'],
      [['--happened'], 'needs a --receipt'],
      [['--happened', '--receipt', '{id:1}'], '--receipt is no JSON'],
      [['--did-not-happen', '--receipt', '{}'], 'has no --receipt'],
    ]
    const ends = await Promise.all(said.map(([args]) => shop.counterfoil(...about, ...args, ...BY)))
    expect(ends).toMatchObject(said.map(([, words]) => ({ code: 2, error: expect.stringContaining(words) })))
    expect(await entryOf('unsaid')).toMatchObject({ state: 'parked', forced_by: null })
  })
})
